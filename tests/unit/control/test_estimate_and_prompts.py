"""The estimate of a script's end, and questions to its users: no daemon, no time that passes."""

import ast
import threading
from collections.abc import Callable
from typing import Any

import pytest

from testbeam.errors import ControlError
from testbeam.services.control.commands.flow import Flow, ScriptStopped
from testbeam.services.control.commands.user import EXPOSED, UserCommands
from testbeam.services.control.daemon.estimate import Estimator, is_harmless
from testbeam.services.control.daemon.prompts import Prompts
from testbeam.wire.nicos.daemon_words import Event
from tests.unit.control.holding import session_of


@pytest.mark.parametrize(
    "text",
    [
        "maw(m, 5)",
        "for n in range(3):\n    maw(m, n * 2)\n    count(1)",
        "scan(m, [1, 2, 3], t=-1 + 2)",
        "with nexusfile_open('a'):\n    scan(m, 0, 1, 5, t=1)",
        "x = 5 if len([1]) > 2 else min(3, 4)\nsleep(x)",
    ],
)
def test_commands_in_plain_loops_are_harmless(text: str) -> None:
    assert is_harmless(ast.parse(text).body, EXPOSED)


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "open('x', 'w')",
        "m.reset()",
        "eval('1')",
        "while True: sleep(1)",
        "def f(): pass",
        "[maw(m, n) for n in range(10**9)]",
        "__import__('os').remove('x')",
        "(lambda: 1)()",
        "align(m)",
        "m.speed = 5",
        "del m",
    ],
)
def test_all_else_is_not_done_twice(text: str) -> None:
    assert not is_harmless(ast.parse(text).body, EXPOSED)


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What timers would call, by hand."""
    found: list[Callable[[], None]] = []

    class Timer:
        daemon = False

        def __init__(self, _delay_s: float, call: Callable[..., None], arguments: tuple[Any, ...]) -> None:
            found.append(lambda: call(*arguments))

        def start(self) -> None:
            pass

    monkeypatch.setattr("testbeam.services.control.daemon.estimate.threading.Timer", Timer)
    return found


def test_an_estimate_is_told_when_it_is_begun_and_when_it_is_there(timers: list[Callable[[], None]]) -> None:
    told: list[Any] = []
    estimator = Estimator(told.append)
    estimator.begin(lambda: 100.0)
    assert estimator.eta == (1, 0.0)
    timers[0]()

    assert [state for state, _ in told] == [2, 3]
    assert estimator.eta == told[-1]
    estimator.end()
    assert estimator.eta == (1, 0.0)


@pytest.mark.parametrize("seconds", [None, -1.0])
def test_a_script_that_would_fail_has_no_end(timers: list[Callable[[], None]], seconds: float | None) -> None:
    told: list[Any] = []
    Estimator(told.append).begin(lambda: seconds)
    timers[0]()

    assert told[-1] == (4, 0.0)


def test_an_estimate_that_comes_too_late_is_not_told(timers: list[Callable[[], None]]) -> None:
    told: list[Any] = []
    estimator = Estimator(told.append)

    def ends_meanwhile() -> float:
        estimator.end()
        return 5.0

    estimator.begin(ends_meanwhile)
    timers[0]()
    assert told == [(2, 0.0)]
    estimator.begin(lambda: 5.0)
    estimator.end()
    timers[1]()
    assert told == [(2, 0.0)]


class Asked:
    """A script that asks in a thread of its own; what came of it is in `result` after `join`."""

    def __init__(self, kind: Any = str, default: Any = ...) -> None:
        self.events: list[tuple[Event, Any]] = []
        self.told = threading.Event()
        self.flow = Flow(lambda *_: None)
        self.flow.claim()
        self.prompts = Prompts(self.flow, self._emit)
        self.result: Any = None
        self._thread = threading.Thread(target=self._run, args=(kind, default))
        self._thread.start()
        assert self.told.wait(60)

    def _emit(self, event: Event, data: Any) -> None:
        self.events.append((event, data))
        self.told.set()

    def _run(self, kind: Any, default: Any) -> None:
        try:
            self.result = self.prompts.ask("how far?", kind, default)
        except (ControlError, ScriptStopped) as error:
            self.result = error

    @property
    def uid(self) -> str:
        return str(self.events[0][1][1])

    def join(self) -> Any:
        self._thread.join(60)
        return self.result


def test_an_answer_is_returned_as_its_kind() -> None:
    asked = Asked(float, 15)
    assert asked.events[0][1][2:] == ["float", 15]
    with pytest.raises(ControlError, match="'far' is no float"):
        asked.prompts.answer(asked.uid, "far")
    asked.prompts.answer(asked.uid, "2.5")
    asked.flow.request_continue()

    assert asked.join() == 2.5
    assert asked.events[-1] == (Event.PROMPTDONE, [asked.uid])
    with pytest.raises(ControlError, match="nothing is asked"):
        asked.prompts.answer(asked.uid, "3")


def test_an_answer_is_one_of_those_that_there_are() -> None:
    asked = Asked(["measure", "calibrate", 3])
    with pytest.raises(ControlError, match="none of measure, calibrate, 3"):
        asked.prompts.answer(asked.uid, "sleep")
    asked.prompts.answer(asked.uid, "3")
    asked.flow.request_continue()
    assert asked.join() == 3


@pytest.mark.parametrize(("default", "found"), [(7, "7"), (..., "continued without an answer to 'how far?'")])
def test_without_an_answer_it_is_the_default_or_an_error(default: Any, found: str) -> None:
    asked = Asked(int, default)
    asked.flow.request_continue()

    assert str(asked.join()).endswith(found.removeprefix("continued")) if default is ... else asked.join() == 7


def test_a_stop_ends_a_question() -> None:
    asked = Asked()
    asked.flow.request_stop(5, "somebody")

    assert isinstance(asked.join(), ScriptStopped)
    assert asked.prompts.open is None


def test_a_dry_run_takes_the_default() -> None:
    commands = UserCommands(session_of({}), None)
    assert commands.user_input("how far?", float, 2.0) == 2.0
    with pytest.raises(ControlError, match="give a default"):
        commands.user_input("how far?")
