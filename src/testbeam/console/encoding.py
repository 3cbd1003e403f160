"""Substitutes for what a terminal's encoding lacks: marks stay apart from each other, and nothing ends a command by its letters."""

import codecs
import io
from typing import TextIO

NAME = "testbeam.substitute"
_SUBSTITUTES = str.maketrans(
    {"✓": "+", "✗": "x", "–": "-", "—": "-", "…": "...", "━": "=", "╸": "=", "╺": "-", "·": "|", "×": "x", "→": "->", "±": "+-"}
)


def substitute(error: UnicodeError) -> tuple[str, int]:
    """Return the substitutes of the part that can't be encoded; letters that have none become an escape, which loses nothing."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_SUBSTITUTES)
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end


def use_substitutes(stream: TextIO) -> None:
    """Have a stream write substitutes, where it would raise or write question marks."""
    codecs.register_error(NAME, substitute)
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=NAME)
