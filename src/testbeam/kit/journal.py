"""Journal of a run: what happened, when; one line of JSON an event, all on one monotonic clock.

The first line anchors that clock to the wall. Kinds of event: run_started, run_ready, run_failed, run_stopping, run_stopped;
prepared, starting, spawned, seen (what a probe saw, where it changed), ready, paused, resumed, stopping, stopped, exited, done, failed,
crashed; fault (phase begin, change or end); mark; and trouble (something of the kit's own that went wrong but need not stop the run).
"""

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbeam.kit import host
from testbeam.model.time import NS_PER_MS

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened: `at_ns` on the monotonic clock of the machine, `service` empty for the run itself."""

    at_ns: int
    kind: str
    service: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def to_line(self) -> str:
        """Return the event as one line of JSON."""
        return json.dumps({"at_ns": self.at_ns, "kind": self.kind, "service": self.service, **self.data}, default=str)

    @classmethod
    def from_line(cls, line: str) -> "Event":
        """Return the event that a line of the journal holds."""
        data = json.loads(line)
        return cls(at_ns=data.pop("at_ns"), kind=data.pop("kind"), service=data.pop("service"), data=data)


Subscriber = Callable[[Event], None]


class Journal:
    """Writes events as they happen and tells subscribers; safe from any thread."""

    def __init__(self, path: Path, subscriber: Subscriber | None = None, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.path = path
        self.lost = 0  # events that could not be written, as on a full disk
        self._clock_ns = clock_ns
        self._file = os.fdopen(_private(path), "ab", buffering=0)  # a line is with the kernel before its subscribers hear of it
        self._lock = threading.RLock()  # a subscriber may record, too
        self._subscribers: list[Subscriber] = [] if subscriber is None else [subscriber]
        self.events: list[Event] = []

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber` with each event from now on, from the thread in which it happens; return what ends that for good."""
        with self._lock:
            self._subscribers.append(subscriber)

        def end() -> None:
            with self._lock:  # once this returns, nobody is in the middle of telling
                if subscriber in self._subscribers:
                    self._subscribers.remove(subscriber)

        return end

    def record(self, kind: str, service: str = "", *, at_ns: int | None = None, **data: Any) -> Event:
        """Write one event and tell every subscriber; return it."""
        with self._lock:
            event = Event(at_ns=self._clock_ns() if at_ns is None else at_ns, kind=kind, service=service, data=data)
            self.events.append(event)
            self._write(event)
            for subscriber in tuple(self._subscribers):
                self._tell(subscriber, event)
        return event

    def _write(self, event: Event) -> None:
        try:
            self._file.write(event.to_line().encode() + b"\n")
        except (OSError, ValueError) as error:  # a full disk, or a late event of a closed run
            self.lost += 1
            if self.lost == 1:  # one word for all that follow: a full disk loses each
                cause = host.why(error, self.path) if isinstance(error, OSError) else "the run is over"
                LOG.warning("%s: events are lost, from %s of %s on: %s", self.path, event.kind, event.service or "the run", cause)

    def _tell(self, subscriber: Subscriber, event: Event) -> None:
        try:
            subscriber(event)
        except Exception:
            LOG.exception("a subscriber of %s failed at %s and hears no more", self.path, event.kind)
            self._subscribers.remove(subscriber)

    def close(self) -> None:
        """Close the file; later events are counted as lost."""
        with self._lock:
            self._file.close()


def _private(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def read(path: Path) -> Iterator[Event]:
    """Yield the events of a journal; a line that was cut off, by a kill or a full disk, is left out."""
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            with suppress(ValueError):
                yield Event.from_line(line)


def wall_ms(event: Event) -> int:
    """Return when an event was by the clock on the wall, in ms since 1970, as this process sees both clocks now."""
    return (time.time_ns() - (time.monotonic_ns() - event.at_ns)) // NS_PER_MS
