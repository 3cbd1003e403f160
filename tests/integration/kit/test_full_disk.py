"""A run on a disk that has no room: it does not start, or what fails says so."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testbeam.errors import NotReady, StackError
from testbeam.kit import host
from testbeam.kit.probes.file import FileExists
from testbeam.kit.stack import Stack
from tests.integration.kit.small_services import sleeper

# In a mount name space of its own, where this user may mount: a folder of 3 MB, which the service fills.
_PROGRAM = """
import sys
from testbeam.errors import NotReady, StackError
from testbeam.kit.probes.file import FileExists
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack
folder = sys.argv[1]
words = "head -c 9000000 /dev/zero > big; exec sleep 1000"
fills = Service("fills", command=("sh", "-c", words), ready=FileExists("there"), ready_timeout_s=1)
try:
    Stack(fills).run(folder).start()
except NotReady as error:
    print(error)
try:
    Stack(fills).run(folder).start()
except StackError as error:
    print("again:", error)
"""


def test_a_disk_that_becomes_full_is_named_as_the_cause_and_a_full_one_is_not_started_on(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    shell = f"mount -t tmpfs -o size=3m none {folder} && exec {sys.executable} -c '{_PROGRAM}' {folder}"
    words = ["unshare", "-Urm", "sh", "-c", shell]
    if (
        shutil.which("unshare") is None
        or subprocess.run(["unshare", "-Urm", "mount", "-t", "tmpfs", "none", folder], check=False).returncode
    ):
        pytest.skip("this machine lets no user mount a folder of his own")

    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    first, again = done.stdout.split("again: ")
    assert f"  cause      no room left in {folder}/log/fills.log (" in first, done.stderr
    assert again.startswith(f"run folder: no room left in {folder} (")
    assert "make room, or give another as `folder`" in again
    assert done.stderr.count("events are lost") <= 2  # once a run
    assert "Errno" not in done.stdout + done.stderr


def test_an_error_within_the_block_is_told_that_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Stack(sleeper("one")).run(tmp_path)
    with pytest.raises(ValueError) as caught, run:  # noqa: PT012
        monkeypatch.setattr(host, "free_bytes", lambda _: 5)
        raise ValueError("something of the test")

    assert caught.value.__notes__ == [f"no room left in {tmp_path} (5 B free): make room, or give another folder"]


def test_where_there_is_room_nothing_is_said_of_it(tmp_path: Path) -> None:
    run = Stack(sleeper("one", ready=FileExists("there"), ready_timeout_s=0.1)).run(tmp_path)
    with pytest.raises(NotReady) as caught:
        run.start()

    assert "no room" not in str(caught.value)
    assert isinstance(caught.value, StackError)
    assert caught.value.run_folder == tmp_path
