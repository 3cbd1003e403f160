"""Periodic repeats: which streams are due to be sent again.

A PV that does not change must still appear in the file, so a stream may ask for its last payload to be repeated.
Source: docs/reference/contracts/forwarder.md, "Periodic repeats".
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

from testbeam.errors import SettingsError


@dataclass(slots=True)
class Repeats:
    """Due times of every repeating stream, in one heap however many there are.

    All times are Kafka times in ms and come from the caller: nothing here reads a clock. A stream has at most one entry in the
    heap, and an update leaves it alone: when it comes up early it is put back, so a fast PV costs a dictionary entry an update.

    Raises:
        SettingsError: the period is not positive.
    """

    period_ms: int
    _last: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    _due: list[tuple[int, int]] = field(default_factory=list)
    _scheduled: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.period_ms <= 0:
            raise SettingsError("pv-update-period", self.period_ms, "a positive number of ms, or leave it out to switch repeats off")

    def sent(self, stream: int, payload: bytes, now_ms: int) -> None:
        """Remember what was sent; the stream is next due one period later."""
        self._last[stream] = (now_ms, payload)
        if stream not in self._scheduled:
            self._schedule(stream, now_ms + self.period_ms)

    def removed(self, stream: int) -> None:
        """Forget a stream; its heap entry is skipped when it comes up."""
        self._last.pop(stream, None)

    def take_due(self, now_ms: int) -> Iterator[tuple[int, bytes]]:
        """Yield each stream due by now with its last payload, and schedule it again.

        A stream that was late by several periods is sent once, not several times.
        """
        while self._due and self._due[0][0] <= now_ms:
            _, stream = heapq.heappop(self._due)
            self._scheduled.discard(stream)
            if stream not in self._last:
                continue
            sent_ms, payload = self._last[stream]
            due_ms = sent_ms + self.period_ms
            if due_ms > now_ms:
                self._schedule(stream, due_ms)
            else:
                self.sent(stream, payload, now_ms)
                yield stream, payload

    def _schedule(self, stream: int, due_ms: int) -> None:
        self._scheduled.add(stream)
        heapq.heappush(self._due, (due_ms, stream))
