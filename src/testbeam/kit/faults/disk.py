"""Fault of a full disk: the service's limit for file sizes is lowered while it runs (RLIMIT_FSIZE, by prlimit).

A write beyond it fails with "File too large" (EFBIG), where a full disk says "No space left on device" (ENOSPC); a program that does
not ignore SIGXFSZ would be ended by it instead. Source: docs/reference/contracts/kit.md, "Faults without privileges".
"""

import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from testbeam.errors import StackError
from testbeam.kit import guard
from testbeam.kit.faults.fault import Fault
from testbeam.kit.protocols import HandleLike

_WRITABLE = 0o3  # O_WRONLY or O_RDWR among the flags of an open file


class DiskFull(Fault):
    """Let no file of the service grow further than `after_bytes` beyond the largest it has open now, its log apart.

    As on a full disk, what a file has already can be written over (an HDF5 file may have megabytes reserved); with `limit_bytes`, a size
    that no write may go beyond, even that fails. It holds for the process that runs at the beginning, and for all that descends from
    it. The log is a file, too: where it is the larger one, nothing more is said in it.
    """

    kind = "disk_full"
    of_process = True

    def __init__(self, handle: HandleLike, after_bytes: int = 0, limit_bytes: int | None = None) -> None:
        if after_bytes < 0 or (limit_bytes or 0) < 0:
            raise StackError(f"disk_full: {min(after_bytes, limit_bytes or 0)} bytes are negative; give the number of bytes that still fit")
        if limit_bytes is not None and after_bytes:
            raise StackError("disk_full: after_bytes counts from what is there, limit_bytes from nothing; give one of them")
        super().__init__(handle, **({"after_bytes": after_bytes} if limit_bytes is None else {"limit_bytes": limit_bytes}))
        self._after_bytes = after_bytes
        self._given_bytes = limit_bytes
        self.limit_bytes = 0

    def check(self) -> None:
        """Refuse a service that would be ended by the signal."""
        pid = self.running().pid or 0
        if not heeds_no_signal(Path(f"/proc/{pid}/status").read_text()):
            way_out = 'start it with the signal ignored: command=("env", "--ignore-signal=XFSZ", …)'
            raise self.refuse("would be ended by SIGXFSZ and never see an error", way_out)

    def begin_it(self) -> None:
        """Lower the limit."""
        pid = self.running().pid or 0
        sizes = [size for path, size in files_written(pid) if path not in {self.handle.log_path, self.handle.stdout_path}]
        self.limit_bytes = max(sizes, default=0) + self._after_bytes if self._given_bytes is None else self._given_bytes
        self.faults.memory.setdefault((self.handle.name, f"{self.kind} {pid}"), resource.prlimit(pid, resource.RLIMIT_FSIZE))
        self._apply(pid, min([self.limit_bytes, *(other.limit_bytes for other in self.faults.others(self))]))

    def end_it(self, *, for_good: bool) -> dict[str, Any]:  # noqa: ARG002 - there is room while it stops, too
        """Raise the limit to what it was, or to the lowest of those that last."""
        if not self.handle.is_running() or self.handle.pid is None:
            return {"limit_bytes": self.limit_bytes}
        before = self.faults.memory.get((self.handle.name, f"{self.kind} {self.handle.pid}"))
        if before is not None:
            self._apply(self.handle.pid, min((other.limit_bytes for other in self.faults.others(self)), default=before[0]))
        return {"limit_bytes": self.limit_bytes}

    def _apply(self, pid: int, soft: int) -> None:
        for each in (pid, *guard.descendants(pid)):
            try:
                hard = resource.prlimit(each, resource.RLIMIT_FSIZE)[1]
                resource.prlimit(each, resource.RLIMIT_FSIZE, (soft, hard))
            except ProcessLookupError:
                continue  # ended meanwhile
            except PermissionError:
                raise self.refuse(f"has a process of another user (pid {each})", "run it as yourself") from None


def heeds_no_signal(status: str) -> bool:
    """Tell from /proc/PID/status whether a process ignores or catches SIGXFSZ."""
    masks = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigIgn:", "SigCgt:"))]
    return any(mask >> (signal.SIGXFSZ - 1) & 1 for mask in masks)


def files_written(pid: int) -> Iterator[tuple[Path, int]]:
    """Yield path and size of every regular file that a process has open for writing."""
    for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 - all at once: they come and go
        fd = Path(f"/proc/{pid}/fd") / name
        try:
            flags = (Path(f"/proc/{pid}/fdinfo") / name).read_text().split("flags:")[1].split()[0]
            if int(flags, 8) & _WRITABLE and fd.is_file():
                yield fd.readlink(), fd.stat().st_size
        except FileNotFoundError:
            continue  # closed meanwhile
