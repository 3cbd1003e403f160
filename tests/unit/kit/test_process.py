from pathlib import Path
from typing import Any

import pytest

from testbeam.kit.guard_client import CommandLine, News, Process, why_not_spawned


def heard(*messages: dict[str, Any]) -> tuple[Process, list[str]]:
    news: list[str] = []

    def listen(_process: Process, what: News) -> None:
        news.append(what)

    process = Process(1, lambda _order: None, listener=listen)
    for message in messages:
        process.saw({"at_ns": 5, **message})
    return process, news


def test_a_process_is_spawned_ends_and_is_gone() -> None:
    process, news = heard({"saw": "spawned", "pid": 42}, {"saw": "exited", "code": 3}, {"saw": "gone", "killed": False, "left": []})

    assert news == ["spawned", "ended", "gone"]
    assert (process.pid, process.exit_code, process.is_running(), process.is_gone()) == (42, 3, False, True)
    assert process.ending() == "exited with code 3"


def test_one_that_the_guard_gives_up_on_has_ended_and_names_what_is_left() -> None:
    process, news = heard({"saw": "spawned", "pid": 42}, {"saw": "gone", "killed": True, "left": [42]})

    assert news == ["spawned", "ended", "gone"]
    assert (process.killed, process.left) == (True, (42,))


def test_one_that_can_not_be_spawned_has_ended() -> None:
    process, news = heard({"saw": "refused", "errno": 2, "what": "No such file or directory", "path": "/x"})

    assert news == ["ended"]
    assert process.wait_told(0)
    assert process.ending() == "could not be spawned: No such file or directory: /x"


def test_one_that_runs_when_the_guard_dies_is_lost_and_told_of_once() -> None:
    process, news = heard({"saw": "spawned", "pid": 42})
    process.guard_died()

    assert news == ["spawned", "ended", "gone"]
    assert process.ending() == "was lost with the guard process of the run"


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "exited with code 0"), (-9, "was ended by SIGKILL"), (-15, "was ended by SIGTERM"), (-60, "was ended by signal 60")],
)
def test_an_exit_code_is_put_in_words(code: int, words: str) -> None:
    assert heard({"saw": "exited", "code": code})[0].ending() == words


def test_what_is_sent_goes_to_the_guard_by_the_jobs_number() -> None:
    orders: list[dict[str, Any]] = []
    process = Process(7, orders.append)
    process.send(10)
    process.stop(15, 2.5)

    assert orders == [
        {"do": "signal", "job": 7, "signal": 10, "tree": True},
        {"do": "stop", "job": 7, "signal": 15, "timeout_s": 2.5, "tree": True},
    ]


def test_why_a_command_can_not_be_spawned_depends_on_what_is_there(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")

    def why(command: str, filename: str = "") -> str:
        line = CommandLine(argv=(command,), env={"PATH": "/bin"}, cwd=tmp_path, stdout=tmp_path / "x.log")
        return why_not_spawned(OSError(2, "No such file or directory", filename or command), line)

    assert "in no folder of PATH=/bin; install it" in why("nope")
    assert f"there is no file {tmp_path}/bin/nope; build it" in why("bin/nope")
    assert "is not executable; chmod +x it" in why("./script")
    script.chmod(0o755)
    assert "does the interpreter in its first line exist?" in why("./script")
    assert why("./script", str(tmp_path / "x.log")).startswith(f"{tmp_path}/x.log: No such file or directory; fix that")
