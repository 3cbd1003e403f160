"""Capture of what C code of this process prints on standard error."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(slots=True)
class Output:
    """What was printed, once the block is left."""

    text: str = ""


@contextlib.contextmanager
def captured_stderr() -> Iterator[Output]:
    """Collect what is written to file descriptor 2 within the block; afterwards it goes where it was meant to go as well."""
    output = Output()
    original, file = os.dup(2), os.memfd_create("stderr")
    os.dup2(file, 2)
    try:
        yield output
    finally:
        os.dup2(original, 2)
        os.lseek(file, 0, os.SEEK_SET)
        with os.fdopen(file, "rb") as reader:
            raw = reader.read()
        os.write(original, raw)
        os.close(original)
        output.text = raw.decode(errors="replace")
