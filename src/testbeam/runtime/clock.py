"""Clock of a service: the machine's wall clock, or one that a test has shifted.

TESTBEAM_CLOCK_FILE names a file of eight bytes: by how many ns the clock is ahead, signed, in the machine's order. It is mapped
into memory, so that a change is seen at once and costs a reader nothing. Without the variable there is no file and no cost.
Monotonic time, by which services wait, is never shifted; nor are the times in logs. The forwarder's repeats and FAKE values go by this
clock, whose times they bear.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

from testbeam.model.agreed import CLOCK_FILE
from testbeam.model.time import NS_PER_MS

_SIZE = 8


def opened(path: Path) -> tuple[Callable[[], int], Callable[[], int]]:
    """Return a clock, ns since 1970, and what tells its shift in ns; the file is made, without a shift, where it is missing."""
    shift = _mapped(path)
    wall_ns = time.time_ns
    return lambda: wall_ns() + shift[0], lambda: shift[0]


def chosen(path: str | None) -> tuple[Callable[[], int], Callable[[], int]]:
    """Return the clock of a file, or the machine's own where there is none."""
    return opened(Path(path)) if path else (time.time_ns, lambda: 0)


def _mapped(path: Path) -> "memoryview[int]":
    import mmap  # late: most processes have no shifted clock

    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if os.fstat(fd).st_size < _SIZE:
            os.ftruncate(fd, _SIZE)
        return memoryview(mmap.mmap(fd, _SIZE, prot=mmap.PROT_READ)).cast("q")
    finally:
        os.close(fd)


wall_ns, shift_ns = chosen(os.environ.get(CLOCK_FILE))


def wall_ms() -> int:
    """Return the time in ms since 1970."""
    return wall_ns() // NS_PER_MS
