"""Transcript of the ports of an IOC, kept for whoever asks why a PV is not what it should be.

One JSON object a line: `t` seconds since 1970, `port`, `record`, `kind`, `data` (one character a byte), `note`. A test that talks more
than `LIMIT` lines or `LIMIT_BYTES` keeps its begin, and the log says so.
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TextIO

Kind = Literal["out", "in", "unread", "open", "closed", "result"]
Log = Callable[[str, str, Kind, bytes, str], None]

LIMIT = 20_000  # lines
LIMIT_BYTES = 32 << 20
_log = logging.getLogger("ioc")


class Transcript:
    """Writes what it is told to a file, at once, from any thread."""

    def __init__(self, file: Path | None) -> None:
        self._file: TextIO | None = file.open("w", buffering=1) if file else None
        self._lock = threading.Lock()
        self._left = LIMIT
        self._left_bytes = LIMIT_BYTES

    def log(self, port: str, record: str, kind: Kind, data: bytes = b"", note: str = "") -> None:
        """Note one event."""
        if self._file is None or self._left == 0 or self._left_bytes <= 0:
            return
        entry = {"t": round(time.time(), 6), "port": port, "record": record, "kind": kind, "data": data.decode("latin-1"), "note": note}
        with self._lock:
            self._left -= 1
            self._left_bytes -= len(data)
            self._file.write(json.dumps(entry) + "\n")
            if self._left == 0 or self._left_bytes <= 0:
                _log.warning("the wire transcript is full, at %d lines or %d MB; what follows is not in it", LIMIT, LIMIT_BYTES >> 20)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
