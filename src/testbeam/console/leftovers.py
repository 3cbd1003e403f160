"""Processes that a command leaves behind, such as EPICS repeaters and daemons: taken in by the kernel's subreaper, and ended with it."""

import ctypes
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from testbeam.model.deadline import Deadline

_PR_SET_CHILD_SUBREAPER = 36
_TERM_S = 1.0  # then they are killed
_PAUSE_S = 0.01


@contextmanager
def ended_leftovers() -> Iterator[None]:
    """End, at the end of the block, every process that has become our child within it: whose own parent has ended is given to us.

    Linux alone knows the subreaper (prctl(2)); elsewhere nothing is ended.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is None or prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        yield
        return
    before = _children()
    try:
        yield
    finally:
        _end(before)
        prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _end(before: set[int]) -> None:
    """Ask what is left to end, then kill it; its own children come to us as it goes."""
    patience = Deadline(_TERM_S)
    asked: set[int] = set()
    while left := _children() - before:
        number = signal.SIGKILL if patience.passed else signal.SIGTERM
        for pid in left - asked if number == signal.SIGTERM else left:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        asked |= left
        for pid in left:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(_PAUSE_S)


def _children() -> set[int]:
    """Return the pids of our children, of every thread of ours."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            found |= set(map(int, (task / "children").read_text().split()))
    return found
