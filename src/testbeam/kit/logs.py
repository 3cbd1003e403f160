"""Slices of log files: the end of one, or what was written between two marks of the journal."""

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from testbeam.kit import host
from testbeam.kit.journal import Event
from testbeam.model.plain_text import uncoloured

TAIL_BYTES = 64 * 1024
LINE_LENGTH = 300
BLOCK_BYTES = 4 << 20
LIMIT_EVERY_S = 0.5
_PAGE = 4096
_PUNCH_HOLE_KEEP_SIZE = 0x02 | 0x01


def tail(path: Path, lines: int = 15, since: int = 0) -> list[str]:
    """Return the last lines of a log from byte `since` on, uncoloured and cut to a readable length; none where there is no log."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = max(since, size - TAIL_BYTES)
            file.seek(start)
            data = file.read(TAIL_BYTES)
    except FileNotFoundError:
        return []
    except OSError as error:  # this is for a message about another error, which must get through
        return [f"(can't be read: {error.strerror})"]
    found = uncoloured(data.lstrip(b"\0").decode(errors="replace")).splitlines()
    return [cut(line) for line in found if line.strip()][-lines:]


def cut(line: str) -> str:
    """Return a line that fits on a screen, saying how much is left out."""
    left_out = len(line) - LINE_LENGTH
    return line if left_out <= 0 else f"{line[:LINE_LENGTH]}… (+{left_out} characters)"


def last_lines(path: Path, count: int, *, unfinished: bool = True) -> tuple[list[str], int]:
    """Return the last lines of a log, however long and many, and the byte at which the next begins; none where there is no log.

    unfinished: take in the last one though it has no end yet.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            blocks, at, newlines = list[bytes](), size, 0
            while at > 0 and newlines <= count:
                length = min(at, BLOCK_BYTES)
                at -= length
                file.seek(at)
                blocks.insert(0, file.read(length))
                newlines += blocks[0].count(b"\n")
                if blocks[0].startswith(b"\0"):
                    break  # what is before was given back
    except FileNotFoundError:
        return [], 0
    *whole, rest = b"".join(blocks).lstrip(b"\0").split(b"\n")
    if unfinished and rest:
        whole, rest = [*whole, rest], b""
    lines = [line.removesuffix(b"\r").decode(errors="replace") for line in (whole[-count:] if count else [])]
    return lines, size - len(rest)


class LineReader:
    """Reads a log as it grows, from byte `at` on: whole lines only; `rest` is the one that has no end yet."""

    def __init__(self, path: Path, at: int = 0, *, keep_open: bool = False) -> None:
        self.path = path
        self.at = at
        self._kept = path.open("rb", buffering=0) if keep_open else None  # what is removed meanwhile is read to its end
        self._is_within = False  # a line that is longer than a block is given out in pieces

    def read(self) -> str:
        """Return lines that have come since, each with its end, a few MB at the most; empty where there are none."""
        data = self._block()
        end = data.rfind(b"\n") + 1
        if end == 0 and len(data) < BLOCK_BYTES:
            return ""
        text = data[: end or len(data)].decode(errors="replace").replace("\r\n", "\n")
        text, self._is_within = ("…" if self._is_within else "") + text, end == 0
        self.at += end or len(data)
        return text

    def lines(self) -> Iterator[str]:
        """Yield all whole lines that have come since, without their ends."""
        while text := self.read():
            yield from text.removesuffix("\n").split("\n")

    def rest(self) -> str:
        """Return the line that has no end yet, and read past it: for when nothing more will come."""
        data = self._block()
        self.at += len(data)
        return data.decode(errors="replace")

    def size(self) -> int:
        """Return the size of the log in bytes."""
        try:
            return os.fstat(self._kept.fileno()).st_size if self._kept else self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def close(self) -> None:
        """Close the log, where it is kept open."""
        if self._kept is not None:
            self._kept.close()

    def _block(self) -> bytes:
        if self._kept is not None:
            return os.pread(self._kept.fileno(), BLOCK_BYTES, self.at)
        try:
            with self.path.open("rb") as file:
                file.seek(self.at)
                return file.read(BLOCK_BYTES)
        except FileNotFoundError:
            return b""


def log_slice(begin: Event, end: Event, service: str, path: Path, limit: int | None = None) -> str:
    """Return what a service logged between two marks: of more than `limit` bytes the last ones, after a line that says so.

    service: its name; for the stdout of one that keeps it apart, `stdout_of(name)`.
    """
    first, last = (int(mark.data["logs"].get(service, 0)) for mark in (begin, end))
    if last <= first or not path.exists():
        return ""
    start = first if limit is None else max(first, last - limit)
    cut = f"… (+{start - first} bytes before)\n" if start > first else ""
    with path.open("rb") as file:
        file.seek(start)
        return cut + file.read(last - start).lstrip(b"\0").decode(errors="replace")


def stdout_of(service: str) -> str:
    """Return by which name marks know the stdout of a service that keeps it apart from its log; none is called so."""
    return f"{service}.stdout"


class LogLimiter:
    """Keeps logs from filling the disk: what is older than the newest bytes of each gives its blocks back, in a thread of its own.

    Sizes and places stay as they are, so that marks hold: what was given back is read as zeros, which the functions here leave out.
    on_trouble: called once with what keeps a log from being limited.
    """

    def __init__(self, on_trouble: Callable[[str], object]) -> None:
        self._limits: dict[Path, int] = {}
        self._on_trouble = on_trouble
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def limit(self, path: Path, most_bytes: int) -> None:
        """Keep a log to its newest bytes from now on."""
        self._limits[path] = most_bytes
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="testbeam-log-limits", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while not self._over.wait(LIMIT_EVERY_S):
            for path, most_bytes in tuple(self._limits.items()):
                try:
                    give_back(path, most_bytes)
                except OSError as error:
                    del self._limits[path]
                    self._on_trouble(f"{path} can't be limited: {host.why(error, path)}")


def give_back(path: Path, most_bytes: int) -> None:
    """Give the blocks of a file back that are before its newest bytes (fallocate(2)); raise OSError where its file system can't."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # nothing was logged yet
    try:
        found = os.fstat(fd)
        old = (found.st_size - most_bytes) // _PAGE * _PAGE
        if old > 0 and found.st_blocks * 512 > most_bytes + most_bytes // 4:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.fallocate(fd, _PUNCH_HOLE_KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(old)) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(fd)
