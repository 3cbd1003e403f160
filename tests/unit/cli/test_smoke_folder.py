import fcntl
import os
from pathlib import Path

import pytest

from testbeam.cli.smoke import folder
from testbeam.errors import SettingsError


def names(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir() if not entry.name.startswith(".")}


def test_what_an_earlier_run_left_is_cleared_away_but_not_the_pages_of_failed_tests(tmp_path: Path) -> None:
    runtime = folder.claim(tmp_path / "runtime")
    for name in ("log", "broker", "failures"):
        (runtime / name).mkdir()

    assert folder.claim(tmp_path / "runtime") == runtime
    assert names(runtime) == {"failures"}


def test_a_folder_with_nothing_but_pages_of_failed_tests_may_be_used(tmp_path: Path) -> None:
    (tmp_path / "runtime" / "failures").mkdir(parents=True)

    assert folder.claim(tmp_path / "runtime") == tmp_path / "runtime"


def test_a_folder_with_things_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()

    with pytest.raises(SettingsError, match=r"--runtime.*new or empty folder"):
        folder.claim(tmp_path)
    assert names(tmp_path) == {"thesis.tex"}


def test_while_a_run_is_in_there_the_next_number_is_taken(tmp_path: Path) -> None:
    first = folder.claim(tmp_path / "runtime")
    fd = os.open(first, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        assert folder.claim(tmp_path / "runtime") == tmp_path / "runtime-2"
    finally:
        os.close(fd)


def test_after_a_good_run_only_what_a_person_wants_is_kept(tmp_path: Path) -> None:
    runtime = folder.claim(tmp_path / "runtime")
    for name in ("log", "broker", "ioc", "config-files", "failures"):
        (runtime / name).mkdir()
    for name in ("report.html", "smoke.nxs", "events.jsonl"):
        (runtime / name).touch()

    folder.clean(runtime)

    assert names(runtime) == {"log", "failures", "report.html", "smoke.nxs", "events.jsonl"}
