"""The messages of a daemon: kept for those who come later, told to all clients, and written into the log."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from testbeam.services.control.daemon.settings import PROG
from testbeam.wire.nicos.daemon_words import MessageLevel

Message = list[Any]  # name, time (s since 1970), level, text, traceback, request id
_KEPT = 4000
_MOST_KEPT_CHARACTERS = 32_000_000
_MOST_CHARACTERS = 1_000_000
_log = logging.getLogger(PROG)


class Messages:
    """The newest messages; `tell` is called with each. It is a `Log` of devices."""

    def __init__(self, tell: Callable[[Message], None]) -> None:
        self._kept: deque[Message] = deque()
        self._kept_characters = 0
        self._lock = threading.Lock()
        self._tell = tell
        self._request = threading.local()
        self.script_thread: int | None = None
        self.script_request = ""

    def say(self, name: str, level: int, text: str) -> None:
        """Tell something."""
        self.add(name, level, text)

    def add(self, name: str, level: int, text: str, trace: str | None = None) -> None:
        """Tell something, with a traceback where there is one; what is too long is cut, and says so."""
        if len(text) > _MOST_CHARACTERS:
            text = f"{text[:_MOST_CHARACTERS]} … cut: {len(text)} characters"
        reqid = self.script_request if threading.get_ident() == self.script_thread else ""
        message: Message = [name or "nicos", time.time(), int(level), f"{text}\n", trace, reqid]
        if level > MessageLevel.DEBUG:
            self._keep(message)
            self._tell(message)
        _log.log(
            min(level, logging.ERROR) if level != MessageLevel.INPUT else logging.INFO, "%s%s", f"{name}: " if name else "", text[:2000]
        )

    def newest(self, number: int | None) -> Sequence[Message]:
        """Return so many of the newest messages, or all."""
        with self._lock:
            kept = list(self._kept)
        return kept if number is None else kept[-number:] if number > 0 else []

    def _keep(self, message: Message) -> None:
        with self._lock:
            self._kept.append(message)
            self._kept_characters += _characters(message)
            while len(self._kept) > _KEPT or self._kept_characters > _MOST_KEPT_CHARACTERS:
                self._kept_characters -= _characters(self._kept.popleft())


def _characters(message: Message) -> int:
    return len(message[3]) + len(message[4] or "")
