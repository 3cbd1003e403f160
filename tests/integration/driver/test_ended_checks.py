"""Checks that are ended: nothing of them runs on, nothing of them lies about, and what was killed can be found."""

import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from testbeam.doctor import leftover_folders
from tests.integration.kit.runners import until

WAITS = "import pathlib, time\nstart_all()\npathlib.Path({path!r}).touch()\ntime.sleep(1000)\n"
TOML = '[machines.machine.units.u]\ncommand = ["sleep", "1000"]\n'


def start(folder: Path, count: int) -> "subprocess.Popen[str]":
    """Start so many checks, and return once all of them wait."""
    for number in range(count):
        (folder / f"check{number}.py").write_text(WAITS.format(path=str(folder / f"waits{number}")))
        (folder / f"check{number}.toml").write_text(TOML)
    words = [sys.executable, "-m", "testbeam", "test", "-j", str(count), *map(str, sorted(folder.glob("check*.py")))]
    process = subprocess.Popen(
        words, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    )
    until(lambda: len([*folder.glob("waits*")]) == count or process.poll() is not None, 60)
    return process


def left() -> list[str]:
    return [path.name for path in Path(tempfile.gettempdir()).glob("testbeam-*")]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_checks_that_are_interrupted_leave_nothing(tmp_path: Path, number: signal.Signals, count: int) -> None:
    process = start(tmp_path, count)

    process.send_signal(number)  # to the one process: it tells the others
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 130, errors
    assert errors.splitlines()[-1] == "interrupted"
    assert "Traceback" not in errors
    assert left() == []


def test_the_folder_of_a_check_that_was_killed_is_found_and_removed_and_that_of_one_that_runs_is_not(tmp_path: Path) -> None:
    process = start(tmp_path, 1)
    parent = Path(tempfile.gettempdir())

    while_it_runs = leftover_folders.find(parent)
    process.kill()
    process.communicate()

    assert while_it_runs == ()
    (found,) = leftover_folders.find(parent)
    assert found.name.startswith("testbeam-check0-")
    assert leftover_folders.remove(parent) == 1
    assert left() == []


def test_a_check_whose_toml_file_is_wrong_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "check.py").write_text("")
    (tmp_path / "check.toml").write_text("machines = 7")

    ended = subprocess.run([sys.executable, "-m", "testbeam", "test", str(tmp_path / "check.py")], capture_output=True, check=False)

    assert ended.returncode != 0
    assert left() == []


def test_where_nothing_can_be_executed_a_check_says_so_at_once(tmp_path: Path) -> None:
    (tmp_path / "check.py").write_text("")
    (tmp_path / "check.toml").write_text(TOML)
    (tmp_path / "noexec").mkdir()
    mounts = f"mount -t tmpfs -o noexec none {tmp_path / 'noexec'}"
    if not shutil.which("unshare") or subprocess.run(["unshare", "-Urm", "sh", "-c", mounts], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets no user mount a folder of his own")
    command = f"{mounts}; TMPDIR={tmp_path / 'noexec'} exec {sys.executable} -m testbeam test {tmp_path / 'check.py'}"

    ended = subprocess.run(["unshare", "-Urm", "sh", "-c", command], capture_output=True, text=True, check=False)

    assert ended.returncode == 3
    assert "(mount option noexec); point TMPDIR to a folder of another file system" in ended.stderr
