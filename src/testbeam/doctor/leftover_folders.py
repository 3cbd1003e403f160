"""Temporary folders of runs and checks that are over: of killed ones, and those kept for a reader after a failure."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbeam.doctor.examination import Finding, good
from testbeam.kit.run_folder import lock

_JOURNAL = "events.jsonl"  # what every run has in its folder
_TOOLS = "tools"  # and every check


def find(parent: Path) -> tuple[Path, ...]:
    """Return this user's folders of runs and checks that are over; each holds its folder's lock while it lives."""
    found = []
    for folder in sorted(parent.glob("testbeam-*")):
        with _unlocked(folder) as is_over:
            if is_over:
                found.append(folder)
    return tuple(found)


def remove(parent: Path) -> int:
    """Remove them; return how many there were."""
    count = 0
    for folder in find(parent):
        with _unlocked(folder) as is_over:  # a second look: nobody may have taken it up meanwhile
            if is_over:
                shutil.rmtree(folder, ignore_errors=True)
                count += not folder.exists()
    return count


def look() -> Finding:
    """Say how many there are in the folder for temporary files."""
    parent = Path(tempfile.gettempdir())
    left = find(parent)
    if not left:
        return good(f"none in {parent}")
    return good(f"{len(left)} of runs that are over in {parent}; remove them: testbeam doctor --remove-leftovers")


@contextmanager
def _unlocked(folder: Path) -> Iterator[bool]:
    """Tell whether it is a run's, ours, and nobody's now; it is locked until the end of the block."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:  # somebody else's, a link, or gone
        yield False
        return
    try:
        yield os.fstat(fd).st_uid == os.getuid() and _is_of_a_run(fd) and lock(fd)
    finally:
        os.close(fd)


def _is_of_a_run(fd: int) -> bool:
    return stat.S_ISREG(_mode(fd, _JOURNAL)) or stat.S_ISDIR(_mode(fd, _TOOLS))


def _mode(fd: int, name: str) -> int:
    try:
        return os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
    except OSError:
        return 0
