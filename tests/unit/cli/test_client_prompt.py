"""The prompt of `testbeam client`: what it shows of events, and what its words ask of the daemon."""

import sys
from typing import Any

import pytest

from testbeam.cli import client as module
from testbeam.errors import ControlError
from testbeam.wire.nicos.daemon_words import Event


class Daemon:
    """A client that notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[Any, ...]]] = []
        self.status: dict[str, Any] = {
            "status": (0, 3),
            "control": {"user": "me"},
            "eta": (3, 0.0),
            "prompt": ["how far?", "uid", "float"],
            "setups": (["a", "b"], ["b"]),
            "devices": ["m"],
            "requests": [{"script": "maw(m, 1)\nx"}],
            "devicefailures": {"x": "no PV"},
        }

    def getstatus(self) -> dict[str, Any]:
        return self.status

    def messages(self, number: int) -> list[Any]:
        return [["nicos", 0.0, 20, "old\n", None, ""]] * number

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **_: self.asked.append((name, arguments))


@pytest.fixture
def screen() -> Any:
    return module._Screen()


def test_events_are_shown_as_they_come(screen: Any, capsys: pytest.CaptureFixture[str]) -> None:
    screen.take(Event.MESSAGE, ["m", 0.0, 40, "it is stuck\n", None, ""])
    screen.take(Event.PROMPT, ["how far?", "uid", "float"])
    screen.take(Event.PROMPT, ["which?", "uid", ["a", 2]])
    screen.take(Event.PROMPT, ["look", "uid"])
    screen.take(Event.SIMRESULT, [5.0, {}, "0"])
    shown = capsys.readouterr().out

    assert "m: ERROR: it is stuck" in shown
    assert "how far? (/answer VALUE, float)" in shown
    assert "which? (/answer VALUE, a or 2)" in shown
    assert "look (/continue)" in shown
    assert "takes 5.0 s" in shown


def test_the_prompt_tells_the_status_of_now(screen: Any) -> None:
    for event, data, word in (
        (Event.STATUS, [0, 5], "running"),
        (Event.STATUS, [1, 5], "paused"),
        (Event.DEBUGGING, True, "debugging"),
        (Event.DEBUGGING, False, "paused"),
        (Event.STATUS, [-2, -1], "idle after an error"),
    ):
        screen.take(event, data)
        assert screen.prompt == f"[{word}] >>> "


def test_the_line_that_is_typed_stays_below_what_is_shown(
    screen: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(module, "_typed", lambda: "maw(m")
    screen.is_waiting = True
    screen.take(Event.STATUS, [0, 1])
    screen.show("a message")

    assert capsys.readouterr().out.endswith("a message\n[running] >>> maw(m")


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("maw(m, 5)", ("queue", ("maw(m, 5)", ""))),
        ("?1 + 1", ("eval", ("1 + 1",))),
        ("/break 2", ("break_", (2,))),
        ("/stop", ("stop_script", (1,))),
        ("/continue", ("continue_", ())),
        ("/emergency", ("emergency", ())),
        ("/finish", ("finish", ())),
        ("/sim maw(m, 1)", ("simulate", ("maw(m, 1)",))),
        ("/answer 5 mm", ("answer", ("5 mm",))),
        ("/debug a = 1", ("debug", ("a = 1",))),
    ],
)
def test_each_word_asks_for_what_it_says(screen: Any, line: str, asked: Any) -> None:
    daemon: Any = Daemon()
    module._do(daemon, screen, line)

    assert daemon.asked == [asked]


def test_lines_go_to_the_debugger_while_that_has_the_script(screen: Any) -> None:
    daemon: Any = Daemon()
    screen.take(Event.DEBUGGING, True)
    module._do(daemon, screen, "p x")
    assert daemon.asked == [("debug_input", ("p x",))]


@pytest.mark.parametrize("line", ["/nonsense", "/log x", "/break 4", "/run /no/such/file"])
def test_what_is_wrong_is_said(screen: Any, line: str) -> None:
    with pytest.raises(ControlError, match=r"not known|no number|none of 1|No such file"):
        module._do(Daemon(), screen, line)  # type: ignore[arg-type]


def test_the_status_tells_end_question_queue_and_failures(screen: Any, capsys: pytest.CaptureFixture[str]) -> None:
    module._do(Daemon(), screen, "/status")  # type: ignore[arg-type]
    shown = capsys.readouterr().out

    for part in (
        "running, line 3; control: me",
        "ends at about",
        "asks: how far?",
        "setups: b; 1 devices",
        "waits: maw(m, 1)",
        "not there: x",
    ):
        assert part in shown


def test_an_interrupt_says_that_the_script_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    class Interrupted:
        def execute(self, _code: str, timeout: float) -> None:  # noqa: ARG002 — as the client's
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        module._execute(Interrupted(), ["sleep(30)"], 1.0)  # type: ignore[arg-type]
    assert "the script goes on at the daemon" in capsys.readouterr().err
