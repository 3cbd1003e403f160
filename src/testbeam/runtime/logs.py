"""Logs of programs: one line an event on standard error, ISO time in UTC, level, program, message.

A message may hold foreign text: what is not printable in it is escaped, so that no text can forge a line or steer a terminal. Lines of a
message that are indented by four spaces, such as a mark under a line of source, follow as they are: no event begins so.
"""

import logging
import sys
import time
from pathlib import Path

from testbeam.wire.readable.texts import printable

TRACE = 5
LONGEST = 4000  # characters of a message
_INDENTED = "\n    "
_MOST_INDENTED = 40  # lines of a message
_LEVELS = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}


class Formatter(logging.Formatter):
    """Formats an event as one line; a traceback follows in lines of its own."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 — logging's own name
        """Return the line, and what is indented below it."""
        record.message = _INDENTED.join(printable(part, LONGEST) for part in record.message.split(_INDENTED, _MOST_INDENTED))
        return super().formatMessage(record)


def start(prog: str, verbosity: str = "info", file: Path | None = None) -> logging.Logger:
    """Send the log to standard error, and to `file` too where one is named; return the program's logger."""
    logging.addLevelName(TRACE, "TRACE")
    formatter = Formatter()
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if file is not None:
        handlers.append(logging.FileHandler(file))
    for handler in handlers:
        handler.setFormatter(formatter)
    logging.basicConfig(level=_LEVELS[verbosity], handlers=handlers, force=True)
    return logging.getLogger(prog)
