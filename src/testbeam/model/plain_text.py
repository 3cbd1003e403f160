"""Text without the escape sequences of terminals, for where it is read elsewhere: in a file, an error, a page."""

import re

_SEQUENCES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\^_]")  # ECMA-48: CSI, OSC, the short ones


def uncoloured(text: str) -> str:
    """Return the text alone: colours, cursor moves and titles of windows are left out."""
    return _SEQUENCES.sub("", text)
