"""The file that values outlive the cache in: one line an update, `time@key=value`.

It is rewritten with the newest only at each start, and when what is old in it has become the most.
"""

import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from testbeam.errors import TestbeamError, WireError
from testbeam.wire.nicos.cache_lines import TELL, parse_line

_FLUSH_BYTES = 1 << 16
_GROWS_BY = 8  # times what a rewrite has left, and
_GROWS_BYTES = 16 << 20  # no less than this
_log = logging.getLogger(__name__)


class Store:
    """A store file; what can't be read of it is skipped and told.

    Raises:
        TestbeamError: the file can't be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._waiting: list[str] = []
        self._waiting_bytes = 0
        self._written_bytes = 0
        self._begun_bytes = 0

    @property
    def has_grown(self) -> bool:
        """Tell whether the file is worth being rewritten."""
        return self._written_bytes > max(_GROWS_BYTES, _GROWS_BY * self._begun_bytes)

    def read(self, take: Callable[[str, str, str], None]) -> None:
        """Give every value of the file to `take`, as time, key and value."""
        if not self._path.exists():
            return
        skipped = 0
        for number, line in enumerate(self._path.read_bytes().split(b"\n"), 1):
            if line and not _taken(line, take):
                skipped += 1
                if skipped == 1:
                    _log.warning("%s, line %d: %.60r is no stored value; it is skipped", self._path, number, line)
        if skipped:
            _log.warning("%s: %d lines skipped, which were cut short or damaged", self._path, skipped)

    def begin(self, values: Iterable[tuple[str, str, str]]) -> None:
        """Write the file anew with these values, and keep it open for what follows."""
        new = self._path.with_name(f"{self._path.name}.new")
        self.close()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._begun_bytes = new.write_text("".join(f"{time}@{key}{TELL}{value}\n" for time, key, value in values))
            self._written_bytes = 0
            new.replace(self._path)
            self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError as error:
            raise TestbeamError(f"store {self._path} can't be written: {error.strerror}; give another --store") from None

    def keep(self, time: str, key: str, value: str) -> None:
        """Note an update; it is in the file after the next `flush`."""
        line = f"{time}@{key}{TELL}{value}\n"
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        if self._waiting_bytes > _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what waits; an error is told and the cache goes on."""
        if not self._waiting or self._file is None:
            return
        lines, self._waiting, self._waiting_bytes = self._waiting, [], 0
        try:
            self._written_bytes += os.write(self._file, "".join(lines).encode())
        except OSError as error:
            _log.error("store %s: %d updates were not written: %s", self._path, len(lines), error.strerror)

    def close(self) -> None:
        """Write what waits and close the file."""
        self.flush()
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _taken(line: bytes, take: Callable[[str, str, str], None]) -> bool:
    try:
        read = parse_line(line.decode())
    except (WireError, UnicodeDecodeError):
        return False
    if read.operator != TELL or read.time_s is None or not read.key:
        return False
    take(f"{read.time_s:.6f}", read.key, read.value)
    return True
