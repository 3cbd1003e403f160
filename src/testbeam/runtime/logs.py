"""How programs log: one line an event on standard error, ISO time in UTC, level, program, message."""

import logging
import sys
import time
from pathlib import Path

TRACE = 5
_LEVELS = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}


def start(prog: str, verbosity: str = "info", file: Path | None = None) -> logging.Logger:
    """Send the log to standard error, and to `file` too where one is named; return the program's logger."""
    logging.addLevelName(TRACE, "TRACE")
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if file is not None:
        handlers.append(logging.FileHandler(file))
    for handler in handlers:
        handler.setFormatter(formatter)
    logging.basicConfig(level=_LEVELS[verbosity], handlers=handlers, force=True)
    return logging.getLogger(prog)
