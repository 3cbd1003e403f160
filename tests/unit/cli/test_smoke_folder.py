import fcntl
import os
from pathlib import Path

import pytest

from testbeam.errors import SettingsError
from testbeam.suites.first_light import folder


def names(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir() if not entry.name.startswith(".")}


def test_what_an_earlier_run_left_is_cleared_away_but_not_the_pages_of_failed_tests(tmp_path: Path) -> None:
    with folder.claimed(tmp_path / "runtime") as runtime:
        for name in ("log", "broker", "failures", "verify-ioc"):
            (runtime / name).mkdir()

    with folder.claimed(tmp_path / "runtime") as again:
        assert again == runtime
        assert names(runtime) == {"failures", "verify-ioc"}


def test_what_the_last_whole_run_has_left_stays_until_another_one_is_whole(tmp_path: Path) -> None:
    with folder.claimed(tmp_path) as runtime:
        for name in ("report.html", "smoke.nxs"):
            (runtime / name).write_text("good")
    with folder.claimed(tmp_path) as runtime:
        assert names(runtime) == {"last"}
        (runtime / "smoke.unfinished.nxs").touch()  # it was interrupted
    with folder.claimed(tmp_path) as runtime:
        last = folder.last(runtime)
        assert last == tmp_path / "last"
        assert names(last) == {"report.html", "smoke.nxs"}
        (runtime / "report.html").write_text("newer")
        folder.forget_last(runtime)
        assert folder.last(runtime) is None
        assert names(runtime) == {"report.html"}


@pytest.mark.parametrize("name", ["failures", "verify-broker"])
def test_a_folder_with_nothing_but_what_tests_left_may_be_used(tmp_path: Path, name: str) -> None:
    (tmp_path / "runtime" / name).mkdir(parents=True)

    with folder.claimed(tmp_path / "runtime") as runtime:
        assert runtime == tmp_path / "runtime"


def test_a_folder_with_things_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()

    with pytest.raises(SettingsError, match=r"--runtime.*new or empty folder"), folder.claimed(tmp_path):
        pass
    assert names(tmp_path) == {"thesis.tex"}


def test_two_at_once_get_two_folders_before_either_has_started_anything(tmp_path: Path) -> None:
    with folder.claimed(tmp_path / "runtime") as first, folder.claimed(tmp_path / "runtime") as second:
        assert (first, second) == (tmp_path / "runtime", tmp_path / "runtime-2")


def test_a_folder_in_which_a_run_still_lives_is_passed_by(tmp_path: Path) -> None:
    with folder.claimed(tmp_path / "runtime") as first:
        pass
    fd = os.open(first, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        with folder.claimed(tmp_path / "runtime") as second:
            assert second == tmp_path / "runtime-2"
    finally:
        os.close(fd)


def test_after_a_good_run_only_what_a_person_wants_is_kept(tmp_path: Path) -> None:
    with folder.claimed(tmp_path / "runtime") as runtime:
        for name in ("log", "broker", "ioc", "config-files", "failures", "verify-ioc"):
            (runtime / name).mkdir()
        for name in ("report.html", "smoke.nxs", "events.jsonl"):
            (runtime / name).touch()

        folder.clean(runtime)

        assert names(runtime) == {"log", "failures", "verify-ioc", "report.html", "smoke.nxs", "events.jsonl"}


def test_a_folder_that_can_not_be_made_is_told_with_its_option() -> None:
    with (
        pytest.raises(SettingsError, match=r"--runtime: '/proc/nowhere' can't be used.*No such file"),
        folder.claimed(Path("/proc/nowhere")),
    ):
        pass
