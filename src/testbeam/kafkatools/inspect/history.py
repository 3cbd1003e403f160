"""History of a topic: the messages between two offsets, and the newest of those asked for."""

import math
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from confluent_kafka import Message

from testbeam.errors import SettingsError
from testbeam.kafkatools.inspect.message import Wanted
from testbeam.transport.kafka.client import Reader

Offsets = Mapping[int, int]  # by partition

_SILENT_S = 10.0
_WIDER = 10


def bounds(reader: Reader, topic: str, wanted: Wanted) -> dict[int, tuple[int, int]]:
    """Return (oldest, next) offset of the partitions that are asked for.

    Raises:
        TopicMissing: the topic is not on the broker.
        SettingsError: it has no such partition.
    """
    found = reader.watermarks(topic)
    if wanted.partition is None:
        return found
    if wanted.partition not in found:
        raise SettingsError("partition", wanted.partition, f"one of the partitions of {topic!r}: 0 to {max(found)}")
    return {wanted.partition: found[wanted.partition]}


def between(reader: Reader, topic: str, starts: Offsets, ends: Offsets, stop: threading.Event | None = None) -> Iterator[list[Message]]:
    """Yield, as they come, all messages at or after `starts` and before `ends`, until `stop` is set.

    Raises:
        TransportError: nothing came for 10 s although there should be more.
    """
    bounds = {(topic, partition): (starts[partition], end) for partition, end in ends.items()}
    yield from reader.between(bounds, silent_s=_SILENT_S, stop=stop.is_set if stop else lambda: False)


def newest(
    reader: Reader,
    topic: str,
    limits: Mapping[int, tuple[int, int]],
    wanted: Wanted,
    count: int,
    stop: threading.Event | None = None,
) -> list[Message]:
    """Return the newest `count` messages that are wanted, in the order of time, or those found until `stop` is set; raise as `between`.

    Goes back from the end of each partition in ever larger steps, so that a rare source is found and a common one costs little.
    """
    scans = {partition: _Scan(wanted=wanted, count=count, low=low, start=high) for partition, (low, high) in limits.items()}
    step = count
    while (going := _unfinished(scans, count)) and not (stop and stop.is_set()):
        ends = {partition: scan.start for partition, scan in going.items()}
        starts = {partition: scan.go_back(step) for partition, scan in going.items()}
        for messages in between(reader, topic, starts, ends, stop):
            for message in messages:
                going[message.partition() or 0].take(message)
        step *= _WIDER
    return _latest(scans, count)


@dataclass(slots=True, kw_only=True)
class _Scan:
    """How far back a partition was looked through, and the newest that was found; `start_ms` is the time of the oldest message seen."""

    wanted: Wanted
    count: int
    low: int
    start: int
    start_ms: float = math.inf
    step_begins: bool = False
    earlier: deque[Message] = field(default_factory=deque)  # of the step that goes on
    later: list[Message] = field(default_factory=list)  # of the steps before

    @property
    def found(self) -> list[Message]:
        return [*self.earlier, *self.later][-self.count :]

    def go_back(self, step: int) -> int:
        """Begin a step and return its first offset."""
        self.later, self.earlier = self.found, deque(maxlen=self.count)
        self.start, self.step_begins = max(self.low, self.start - step), True
        return self.start

    def take(self, message: Message) -> None:
        if self.step_begins:
            self.start_ms, self.step_begins = message.timestamp()[1], False
        if self.wanted.fits(message):
            self.earlier.append(message)

    def is_done(self, oldest_ms: float) -> bool:
        """Tell whether nothing that lies before can be newer than what all have found, the oldest of which is given."""
        return self.start <= self.low or len(self.found) >= self.count or self.start_ms < oldest_ms


def _unfinished(scans: Mapping[int, _Scan], count: int) -> dict[int, _Scan]:
    latest = _latest(scans, count)
    oldest_ms = latest[0].timestamp()[1] if latest and len(latest) == count else -math.inf
    return {partition: scan for partition, scan in scans.items() if not scan.is_done(oldest_ms)}


def _latest(scans: Mapping[int, _Scan], count: int) -> list[Message]:
    found = [message for scan in scans.values() for message in scan.found]
    return sorted(found, key=_by_time)[-count:] if count else []


def _by_time(message: Message) -> tuple[int, int, int]:
    return message.timestamp()[1], message.partition() or 0, message.offset() or 0
