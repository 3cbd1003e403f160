"""Slices of log files: the end of one, or what was written between two marks of the journal."""

import os
from collections.abc import Iterator
from pathlib import Path

from testbeam.kit.journal import Event

TAIL_BYTES = 64 * 1024
LINE_LENGTH = 300
BLOCK_BYTES = 4 << 20


def tail(path: Path, lines: int = 15, since: int = 0) -> list[str]:
    """Return the last lines of a log from byte `since` on, each cut to a readable length; none where there is no log."""
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
    found = data.decode(errors="replace").splitlines()
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
    except FileNotFoundError:
        return [], 0
    *whole, rest = b"".join(blocks).split(b"\n")
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
        return cut + file.read(last - start).decode(errors="replace")


def stdout_of(service: str) -> str:
    """Return by which name marks know the stdout of a service that keeps it apart from its log; none is called so."""
    return f"{service}.stdout"
