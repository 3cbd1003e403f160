import errno
import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from testbeam.errors import StackError
from testbeam.hosting import processes, registry
from testbeam.hosting.registry import Entry


@pytest.fixture(autouse=True)
def _own_runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)  # another is not taken for a runtime folder
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert registry.runtime_folder().is_relative_to(tmp_path)


def entry(stack_id: str, name: str = "chain", **fields: str) -> Entry:
    plain = Entry(
        id=stack_id,
        name=name,
        fingerprint="f",
        pid=os.getpid(),
        started_at=processes.started_at(os.getpid()),
        socket="/s",
        folder="/f",
        wall_s=float(len(registry.entries())),
        endpoints={"broker": {"kafka": "127.0.0.1:1"}},
    )
    return replace(plain, **fields)  # type: ignore[arg-type]  # texts only


def test_a_registered_stack_is_found_as_it_was_noted() -> None:
    one = entry("aa11")
    registry.register(one)

    assert registry.entries() == (one,)
    assert registry.find() == (one,)


def test_nobody_else_may_read_what_is_noted() -> None:
    registry.register(entry("aa11"))

    folder = registry.stacks_folder()
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "aa11.json").stat().st_mode) == 0o600


def test_the_entry_of_a_dead_holder_is_removed_with_its_log(tmp_path: Path) -> None:
    log = tmp_path / "holder.log"
    log.touch()
    registry.register(replace(entry("dead", log=str(log)), started_at="1"))

    assert registry.entries() == ()
    assert not log.exists()
    assert list(registry.stacks_folder().iterdir()) == []


def test_a_pid_that_is_another_process_by_now_does_not_count_as_alive() -> None:
    registry.register(entry("old", started_at="12"))

    assert registry.entries() == ()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": "x"}', '{"pid": 1}'])
def test_an_entry_that_says_of_no_dead_holder_is_left_where_it_is(text: str) -> None:
    path = registry.stacks_folder() / "broken.json"
    path.write_text(text)

    assert registry.entries() == ()
    assert path.read_text() == text


def test_an_entry_of_another_version_is_kept_as_long_as_its_holder_lives() -> None:
    path = registry.stacks_folder() / "new.json"
    path.write_text(json.dumps({"pid": os.getpid(), "started_at": processes.started_at(os.getpid())}))
    assert registry.entries() == ()
    assert path.exists()

    path.write_text(json.dumps({"pid": os.getpid(), "started_at": "12"}))
    assert registry.entries() == ()
    assert not path.exists()


@pytest.mark.parametrize("unreadable", ["aa11.json", "stat"])
def test_a_living_stack_that_cannot_be_read_for_a_moment_is_not_forgotten(unreadable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = entry("aa11")
    registry.register(one)
    read = Path.read_text

    def fails(path: Path, encoding: str | None = None, errors: str | None = None) -> str:
        if path.name == unreadable:
            raise OSError(errno.EMFILE, "Too many open files")
        return read(path, encoding, errors)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", fails)
        assert registry.entries() == ()

    assert registry.entries() == (one,)


def test_with_several_stacks_up_a_name_is_asked_for() -> None:
    registry.register(entry("aa11", "one"))
    registry.register(entry("ab22", "two"))

    with pytest.raises(StackError, match=r"2 stacks are up.*aa11 \(one\), ab22 \(two\)"):
        registry.find()
    assert [one.id for one in registry.find(["two", "aa"])] == ["ab22", "aa11"]
    assert [one.id for one in registry.find(["two", "ab22"])] == ["ab22"]


@pytest.mark.parametrize(("name", "problem"), [("a", "several stacks fit 'a'"), ("three", "no stack fits 'three'; there are aa11")])
def test_a_name_that_fits_none_or_several_is_an_error_that_lists_them(name: str, problem: str) -> None:
    registry.register(entry("aa11", "one"))
    registry.register(entry("ab22", "two"))

    with pytest.raises(StackError, match=problem):
        registry.find([name])


def test_without_any_stack_the_error_says_how_to_start_one() -> None:
    for names in ((), ("one",)):
        with pytest.raises(StackError, match="testbeam up --detach"):
            registry.find(names)


def test_a_stack_of_a_test_session_has_to_be_named() -> None:
    registry.register(entry("aa11", "pytest", session="s"))
    with pytest.raises(StackError, match="no stack of yours is up"):
        registry.find()
    registry.register(entry("ab22", "mine"))

    assert [one.id for one in registry.find()] == ["ab22"]
    assert [one.id for one in registry.find(["pytest"])] == ["aa11"]


def test_logs_of_hosts_that_were_killed_are_removed_once_there_was_time_to_read_them() -> None:
    old, fresh, held = registry.log_path(), registry.log_path(), registry.log_path()
    for path in (old, fresh, held):
        path.touch()
    for path in (old, held):
        os.utime(path, (0, 0))
    with held.open("ab") as file:
        registry.keep_log(file.fileno())
        registry.entries()

        assert (old.exists(), fresh.exists(), held.exists()) == (False, True, True)
