"""Slices of log files: the end of one, or what was written between two marks of the journal."""

import os
from pathlib import Path

from testbeam.kit.journal import Event

TAIL_BYTES = 64 * 1024
LINE_LENGTH = 300


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
