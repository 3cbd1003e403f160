"""Capture of what C code of this process prints on standard error."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from testbeam.model.plain_text import uncoloured

Edit = Callable[[str], str]


@dataclass(slots=True)
class Output:
    """What was printed, once the block is left."""

    text: str = ""


@contextlib.contextmanager
def captured_stderr(edit: Edit = str) -> Iterator[Output]:
    """Collect what is written to file descriptor 2 within the block; afterwards it goes where it was meant to go as well.

    edit: what makes of it that which goes there. Base colours errors wherever they go: the colours stay for a terminal alone.
    """
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
        text = edit(raw.decode(errors="surrogateescape"))
        os.write(original, (text if os.isatty(original) else uncoloured(text)).encode(errors="surrogateescape"))
        os.close(original)
        output.text = raw.decode(errors="replace")
