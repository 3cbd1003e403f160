"""Processes noted down by pid and start time: whether one still lives, and when it ends."""

import os
from pathlib import Path

from testbeam.transport.readiness import ready

_START_FIELD = 19  # of /proc/PID/stat behind the command's name, counted from 0: start time in clock ticks since boot; proc(5)
_ZOMBIE = "Z"


def started_at(pid: int) -> str:
    """Return when a process was started, in the kernel's words; empty for one that is gone or a zombie."""
    try:
        return _read_start(pid)
    except OSError:
        return ""


def _read_start(pid: int) -> str:
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] == _ZOMBIE else fields[_START_FIELD]


def is_same(pid: int, started: str) -> bool:
    """Return whether the process lives that was started then."""
    return bool(started) and started_at(pid) == started


def is_over(pid: int, started: str) -> bool:
    """Return whether the process that was started then is surely gone: not where that can't be read, as with no descriptor left."""
    try:
        return not started or _read_start(pid) != started
    except (FileNotFoundError, ProcessLookupError):
        return True
    except OSError:
        return False


def open_end(pid: int, started: str) -> int | None:
    """Return a descriptor that becomes readable when the process ends; None where it has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    if is_same(pid, started):
        return fd
    os.close(fd)
    return None


def wait_end(pid: int, started: str, timeout_s: float) -> bool:
    """Wait for the end of a process; return False where the time was too short."""
    fd = open_end(pid, started)
    if fd is None:
        return True
    try:
        return bool(ready([fd], timeout_s=timeout_s)[0])
    finally:
        os.close(fd)
