"""What the end of a log says, however long the log and its lines are."""

import os
from pathlib import Path

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
