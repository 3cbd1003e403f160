"""Fault of a wrong wall clock: the injected clock of a service is told so in a file.

Monotonic time, by which it waits, goes on undisturbed.
Only programs that read the file named by TESTBEAM_CLOCK_FILE heed it, as ours do: eight bytes, ns, signed, in the machine's order.
"""

import os
import sys
from pathlib import Path
from typing import Any

from testbeam.errors import StackError
from testbeam.kit import guard
from testbeam.kit.faults.fault import Fault
from testbeam.kit.protocols import HandleLike
from testbeam.model.agreed import CLOCK_FILE
from testbeam.model.time import NS_PER_S

LONGEST_S = 100 * 365.25 * 86400


class ClockShifted(Fault):
    """Have the service's clock ahead by `shift_s`, or behind if that is negative; of several at once the sum counts."""

    kind = "clock_shifted"

    def __init__(self, handle: HandleLike, shift_s: float) -> None:
        if not abs(shift_s) <= LONGEST_S:
            raise StackError(f"clock_shifted: {shift_s:g} s is beyond what a clock can show; give at most a century")
        super().__init__(handle, shift_s=shift_s)
        self.shift_s = shift_s

    def check(self) -> None:
        """Refuse a service that has a clock of its own."""
        if self._path is None or not self._is_read(self._path):
            way_out = f'a program that maps the file named by {CLOCK_FILE} is declared with env={{"{CLOCK_FILE}": "${{dir}}/clock"}}'
            raise self.refuse("has no injected clock", way_out)

    def begin_it(self) -> None:
        """Move the clock."""
        self._write(self.shift_s)

    def end_it(self, *, for_good: bool) -> dict[str, Any]:  # noqa: ARG002 - a right clock does no harm
        """Move it back."""
        self._write(0.0)
        return {}

    @property
    def _path(self) -> Path | None:
        template = self.handle.service.env.get(CLOCK_FILE)
        return Path(self.handle.fill(template)) if template else None

    def _is_read(self, path: Path) -> bool:
        """Tell whether the service has the file before its eyes; one that is not running now may look at its start."""
        pid = self.handle.pid
        if pid is None or not self.handle.is_running():
            return True
        return any(str(path) in mapped(each) for each in (pid, *guard.descendants(pid)))

    def _write(self, own_s: float) -> None:
        shift_ns = round((own_s + sum(other.shift_s for other in self.faults.others(self))) * NS_PER_S)
        path = self._path
        assert path is not None
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.pwrite(fd, shift_ns.to_bytes(8, sys.byteorder, signed=True), 0)
        finally:
            os.close(fd)


def mapped(pid: int) -> str:
    """Return which files a process has mapped into its memory, as the kernel lists them."""
    try:
        return Path(f"/proc/{pid}/maps").read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""  # gone meanwhile, or somebody else's
