"""The past of PVs that a script names: every change since their IOC came up, kept for the explanation of a failure."""

import contextlib
import re
import threading
import time
from collections import deque
from dataclasses import dataclass, field

from testbeam.errors import TestbeamError
from testbeam.model.deadline import Deadline
from testbeam.transport.ca.channel import CaChannel
from testbeam.transport.ca.client import CaClient
from testbeam.wire.pv_reading import Reading

_WORD = re.compile(r"[A-Za-z0-9_\-:.<>\[\];/]+")
_KEPT = 500
_MOST = 40  # PVs of one script


@dataclass(frozen=True, slots=True)
class Change:
    """One value of a PV; `seen` in seconds since 1970 by our clock."""

    pv: str
    seen: float
    reading: Reading


@dataclass(slots=True)
class PvWatch:
    """Watches PVs of one address from a thread of its own."""

    address: str
    names: tuple[str, ...]
    changes: deque[Change] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to watch."""
        self._thread = threading.Thread(target=self._run, name=f"watch {self.address}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(2.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(TestbeamError, OSError), CaClient(self.address) as client:
                self._follow(client)
            self._stop.wait(0.2)

    def _follow(self, client: CaClient) -> None:
        followed = [_Followed(client.channel(name, 2.0)) for name in self.names]
        while not self._stop.is_set():
            for one in followed:
                for reading in one.news():
                    self.changes.append(Change(one.channel.name, time.time(), reading))


class _Followed:
    """One PV: its updates are taken a few milliseconds at a time."""

    def __init__(self, channel: CaChannel) -> None:
        self.channel = channel
        self._updates = channel.subscription(5.0)

    def news(self) -> list[Reading]:
        return self._updates.take(Deadline(0.02))


def named_in(script: str, records: tuple[str, ...]) -> tuple[str, ...]:
    """Return the records that a script names."""
    known = set(records)
    found = dict.fromkeys(word.partition(".")[0] for word in _WORD.findall(script) if word.partition(".")[0] in known)
    return tuple(found)[:_MOST]
