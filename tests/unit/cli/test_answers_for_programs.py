import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from testbeam.cli import commands, smoke
from testbeam.console.json_file import JsonFile, answering
from testbeam.errors import ServiceDied, SettingsError, StackError
from testbeam.suites.first_light import folder

Captured = pytest.CaptureFixture[str]
OLD = '{"ok": true, "of": "an earlier run"}'


def read(file: Path) -> Any:
    return json.loads(file.read_text())


@dataclass
class Verdict:
    """What a run came to, as far as the command looks at it."""

    ok: bool = True

    def as_json(self) -> dict[str, Any]:
        return {"ok": self.ok}


@dataclass
class Session:
    """A run without services: what it meets is given by the test."""

    folder: Path
    at_start: StackError | None = None
    at_end: StackError | None = None
    staying: Callable[[], None] = lambda: None
    ups: list[Path] = field(default_factory=list)

    @contextmanager
    def up(self, _bootstrap: str) -> Iterator["Session"]:
        self.ups.append(self.folder)
        (self.folder / "broker").mkdir()
        if self.at_start:
            raise self.at_start
        yield self
        if self.at_end:
            raise self.at_end

    def outcome(self) -> Verdict:
        return Verdict()

    def stay(self) -> None:
        self.staying()


@pytest.fixture
def run_smoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, list[Path]]]:
    """Run `testbeam smoke` with such a session; return its exit code and the folders in which a stack was started."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, **met: Any) -> tuple[int, list[Path]]:
        ups: list[Path] = []
        monkeypatch.setattr(smoke, "Session", lambda _plan, where, _console: Session(where, ups=ups, **met))
        monkeypatch.setattr("testbeam.suites.first_light.summary.show", lambda *_: None)
        monkeypatch.setattr(smoke, "end_as_by_ctrl_c", lambda: None)
        return commands.run(["smoke", *words]), ups

    return run


RunSmoke = Callable[..., tuple[int, list[Path]]]


def test_an_answer_in_the_folder_of_the_run_stays_after_a_good_run(run_smoke: RunSmoke) -> None:
    for _ in range(2):
        assert run_smoke("--json", "runtime/smoke.json")[0] == 0

        assert read(Path("runtime/smoke.json")) == {"ok": True}
        assert not Path("runtime/broker").exists()


def test_what_is_cleaned_away_leaves_the_answer(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).touch()

    folder.clean(tmp_path, tmp_path / "a.json")

    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("target", ["smoke.json", "runtime/smoke.json"])
def test_a_stack_that_does_not_come_up_is_the_answer(run_smoke: RunSmoke, target: str) -> None:
    run_smoke("--json", target)

    assert run_smoke("--json", target, at_start=StackError("no Java"))[0] == 3

    assert read(Path(target)) == {"ok": False, "error": "no Java"}


def test_a_folder_of_somebody_else_is_the_answer(run_smoke: RunSmoke) -> None:
    Path("runtime").mkdir()
    Path("runtime/thesis.tex").touch()
    Path("smoke.json").write_text(OLD)

    assert run_smoke("--json", "smoke.json") == (2, [])

    assert read(Path("smoke.json"))["ok"] is False


def test_a_service_that_has_died_by_the_end_is_the_answer_also_where_kafka_stayed(run_smoke: RunSmoke) -> None:
    seen: list[Any] = []
    died = ServiceDied("the writer has died")

    assert run_smoke("--json", "a.json", at_end=died)[0] == 3
    assert run_smoke("--json", "b.json", "--keep-kafka", at_end=died, staying=lambda: seen.append(read(Path("b.json"))))[0] == 3

    assert [read(Path(name)) for name in ("a.json", "b.json")] == [{"ok": False, "error": "the writer has died"}] * 2
    assert seen == [{"ok": True}]


@pytest.mark.parametrize("target", ["no/such/folder/a.json", "."])
def test_a_path_that_can_t_be_written_is_told_before_anything_starts(run_smoke: RunSmoke, capsys: Captured, target: str) -> None:
    assert run_smoke("--json", target) == (2, [])

    told = capsys.readouterr().err
    assert told.startswith(f"error: --json: {target!r} can't be used; give a file that can be written (")


@pytest.mark.parametrize("command", [("audit", "a.nxs", "-b", "localhost:1"), ("doctor",)])
def test_other_commands_tell_it_as_early(command: tuple[str, ...], capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbeam.doctor.examination.examine", lambda _: pytest.fail("it was examined"))
    monkeypatch.setattr("testbeam.audit.run.find_job", lambda *_, **__: pytest.fail("it was looked for"))

    assert commands.run([*command, "--json", "/no/such/folder/a.json"]) == 2
    assert "error: --json: '/no/such/folder/a.json'" in capsys.readouterr().err


def test_an_audit_that_can_not_be_made_is_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> None:
        raise StackError("no broker")

    monkeypatch.setattr("testbeam.audit.run.find_job", gone)
    (tmp_path / "audit.json").write_text(OLD)

    (tmp_path / "a.nxs").touch()

    assert commands.run(["audit", str(tmp_path / "a.nxs"), "-b", "localhost:1", "--json", str(tmp_path / "audit.json")]) == 3
    assert read(tmp_path / "audit.json") == {"ok": False, "error": "no broker"}


def test_a_file_that_is_not_there_is_told_before_any_broker_is_asked_for(capsys: Captured) -> None:
    assert commands.run(["audit", "nowhere.nxs"]) == 2
    assert "nowhere.nxs" in capsys.readouterr().err


def test_an_older_answer_is_gone_while_the_new_one_is_not_known(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(OLD)

    with answering(file) as answer:
        answer.check()
        assert not file.exists()
        answer.write({"ok": True})
    assert read(file) == {"ok": True}


def test_a_command_that_is_interrupted_says_so(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), answering(tmp_path / "a.json"):
        raise KeyboardInterrupt
    assert read(tmp_path / "a.json") == {"ok": False, "error": "KeyboardInterrupt"}


def test_a_pipe_is_written_to_and_not_removed(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading_fd = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    with answering(pipe) as answer:
        answer.check()
        answer.write({"ok": True})

    assert json.loads(os.read(reading_fd, 1_000)) == {"ok": True}
    os.close(reading_fd)


def test_a_file_that_can_no_longer_be_written_is_told_with_its_option(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()

    file = JsonFile(tmp_path / "out" / "a.json")
    file.check()
    (tmp_path / "out").rmdir()

    with pytest.raises(SettingsError, match=r"--json: .*out/a\.json"):
        file.write({"ok": True})
