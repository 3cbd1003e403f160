"""Ready file: a file with the process id, written once a service is of use; whoever sees it sees it whole."""

import os
from pathlib import Path


def write_ready_file(path: Path | None) -> None:
    """Write this process's id to `path`, in one step; nothing where no file is asked for.

    Raises:
        OSError: it can't be written.
    """
    if path is None:
        return
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.write_text(str(os.getpid()))
    unfinished.replace(path)
