"""Breaks, stops and scripts: a look before every statement, and no break that a script escapes."""

import threading
from typing import Any

import pytest

from testbeam.errors import ControlError
from testbeam.services.control.commands.flow import Flow, ScriptStopped
from testbeam.services.control.daemon.messages import Messages
from testbeam.services.control.daemon.script import LOOK, Request, code_of, parsed
from testbeam.services.control.daemon.users import User
from testbeam.wire.nicos.daemon_words import BreakLevel, ScriptStatus, UserLevel


def lines_of(text: str) -> list[int]:
    """Return the lines that were looked at while a script ran."""
    seen: list[int] = []
    namespace: dict[str, Any] = {LOOK: seen.append}
    for statement in parsed(text):
        exec(code_of(statement), namespace)
    return seen


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a = 1\nb = 2", [1, 2]),
        ("for n in range(2):\n    a = n\n    b = n", [1, 2, 3, 2, 3]),
        ("if 1:\n    a = 1\nelse:\n    b = 1", [1, 2]),
        ("try:\n    1 / 0\nexcept ZeroDivisionError:\n    a = 1\nfinally:\n    b = 1", [1, 2, 4, 6]),
        ("def f():\n    return 1\nf()", [1, 3, 2]),
        ("match 1:\n    case 1:\n        a = 1", [1, 3]),
        ('"""text"""\na = 1', [2]),
        ("def f():\n    global g\n    g = 1\nf()", [1, 4, 3]),
        ("from __future__ import annotations\na = 1", [2]),
    ],
)
def test_each_statement_is_looked_at_before_it_runs(text: str, lines: list[int]) -> None:
    assert lines_of(text) == lines


def test_an_endless_loop_is_stopped_at_its_statement() -> None:
    flow = Flow(lambda _status, _line: None)
    flow.begin()
    looks = iter(range(1000))

    def look(number: int) -> None:
        if next(looks) > 50:
            flow.request_stop(BreakLevel.AFTER_LINE, "me")
        flow.line(number)

    with pytest.raises(ScriptStopped):
        exec(code_of(parsed("while True: pass")[0]), {LOOK: look})


@pytest.mark.parametrize("text", ["x = (", "a b", "\0", "if:", "def f(:"])
def test_what_is_no_python_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(ControlError, match="can't be read"):
        parsed(text)


def test_a_script_may_be_changed_behind_what_was_begun_only() -> None:
    request = Request("a = 1\nb = 2\nc = 3", "", User("me", UserLevel.USER))
    request.parse()
    request.done = 2

    with pytest.raises(ControlError, match="differs"):
        request.update("a = 1\nb = 5\nc = 3")
    request.update("a = 1\nb = 2\nc = 4\nd = 5")
    assert len(request.statements) == 4


@pytest.mark.parametrize("asked", list(BreakLevel))
@pytest.mark.parametrize("level", list(BreakLevel))
def test_a_stop_takes_hold_at_its_level_and_all_below(asked: BreakLevel, level: BreakLevel) -> None:
    flow = Flow(lambda _status, _line: None)
    flow.begin()
    flow.request_stop(asked, "me")

    if level <= asked:
        with pytest.raises(ScriptStopped, match="me"):
            flow.breakpoint(level)
        assert flow.status is ScriptStatus.STOPPING
        flow.breakpoint(level)  # once is enough: what ends the script must be left in peace
    else:
        flow.breakpoint(level)


def test_a_more_urgent_stop_is_raised_once_more_and_a_relentless_one_at_every_line() -> None:
    flow = Flow(lambda _status, _line: None)
    flow.begin()
    flow.request_stop(BreakLevel.AFTER_STEP, "me")
    with pytest.raises(ScriptStopped):
        flow.line(1)
    flow.line(2)
    outlived = [flow.outlives_a_stop]
    flow.request_stop(BreakLevel.IMMEDIATE, "me")
    with pytest.raises(ScriptStopped):
        flow.line(3)
    flow.line(4)
    assert [*outlived, flow.outlives_a_stop] == [False, True]
    flow.relentless = True
    for number in (5, 6):
        with pytest.raises(ScriptStopped):
            flow.line(number)

    flow.reset()
    flow.line(7)  # the next script's


def test_a_paused_script_goes_on_where_it_was() -> None:
    states: list[ScriptStatus] = []
    flow = Flow(lambda status, _line: states.append(status))
    flow.begin()
    flow.request_break(BreakLevel.AFTER_LINE, "me")
    thread = threading.Thread(target=flow.breakpoint, args=(BreakLevel.AFTER_LINE,))
    thread.start()
    while flow.status is not ScriptStatus.IN_BREAK:
        pass
    with pytest.raises(ControlError, match="already paused"):
        flow.request_break(BreakLevel.AFTER_LINE, "me")
    flow.request_continue()
    thread.join(60)

    assert states == [ScriptStatus.RUNNING, ScriptStatus.IN_BREAK, ScriptStatus.RUNNING]
    with pytest.raises(ControlError, match="not paused"):
        flow.request_continue()


def test_a_stop_ends_a_pause() -> None:
    flow = Flow(lambda _status, _line: None)
    flow.begin()
    flow.request_break(BreakLevel.AFTER_LINE, "me")
    raised: list[ScriptStopped] = []

    def run() -> None:
        try:
            flow.breakpoint(BreakLevel.AFTER_LINE)
        except ScriptStopped as stopped:
            raised.append(stopped)

    thread = threading.Thread(target=run)
    thread.start()
    flow.request_stop(BreakLevel.AFTER_LINE, "you")
    thread.join(60)

    assert [one.who for one in raised] == ["you"]


def test_what_was_asked_of_the_script_before_does_not_reach_the_next() -> None:
    flow = Flow(lambda _status, _line: None)
    flow.begin()
    flow.request_stop(BreakLevel.NOW, "me")
    flow.reset()
    flow.end(failed=False)
    flow.claim()
    flow.begin()

    flow.breakpoint(BreakLevel.AFTER_LINE)


def test_messages_are_kept_up_to_a_number_and_a_size() -> None:
    messages = Messages(lambda _message: None)
    for number in range(5000):
        messages.say("", 20, f"{number}")
    assert [message[3] for message in (messages.newest(None)[0], messages.newest(1)[0])] == ["1000\n", "4999\n"]
    for _ in range(50):
        messages.say("", 20, "x" * 1_000_000)
    assert len(messages.newest(None)) == 31
