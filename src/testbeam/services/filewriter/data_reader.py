"""Data reader of a job: its partitions from their first offsets to the end, portion by portion, into its router.

A partition ends by facts: its end offset, asked for once the stop and its leeway are over on the writer's own clock, or once all sources
of the topic have come past the stop in it; or all of them have come the leeway past the stop. One message's Kafka time ends nothing.
Source: docs/reference/contracts/filewriter.md, "Time and order". Times are ms since 1970 and come in as arguments.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import methodcaller
from typing import Any, Protocol

import confluent_kafka
import numpy as np
from confluent_kafka import KafkaException, Message

from testbeam.errors import TransportError
from testbeam.model.topic_partition import TopicPartition
from testbeam.services.filewriter.router import Router

_PORTION_BYTES = 4_000_000  # read at once: larger portions only push data out of the processor's cache
_FEWEST = 10
_ASK_S = 1.0
_MARKS_MS = 1000


class PartitionReader(Protocol):
    """What the data reader asks of `transport.kafka.client.Reader`."""

    at_end: set[Any]

    @property
    def consumer(self) -> Any:
        """Return the client's consumer."""

    def assign(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read these partitions from these offsets."""

    def read(self, most: int, wait_s: float, /) -> Sequence[Any]:
        """Return up to `most` messages, of the client's kind."""

    def close(self) -> None:
        """Leave the broker."""

    def partitions(self, topic: str, within_s: float, /) -> Sequence[int]:
        """Return the partitions that a topic has now."""


@dataclass(slots=True)
class Partition:
    """How far one partition was read; `end_offset` is None until Kafka has told it, `begun` once a message was late enough to be read."""

    next_offset: int
    end_offset: int | None = None
    asked_ms: int = 0
    begun: bool = False
    seen_offset: int = -1  # when it was last looked whether it gets on
    moved_ms: int = 0


@dataclass(slots=True, kw_only=True)
class Progress:
    """All partitions of a job that are still read; `leeway_ms` is how long after the stop late data are waited for."""

    leeway_ms: int
    open: dict[TopicPartition, Partition] = field(default_factory=dict)

    def is_due(self, place: TopicPartition, stop_ms: int | None, now_ms: int, *, sources_done: bool) -> bool:
        """Tell whether the end of a partition is to be asked for now, and note since when."""
        partition = self.open[place]
        if stop_ms is None or now_ms <= stop_ms or partition.end_offset is not None:
            return False
        if not sources_done and now_ms <= stop_ms + self.leeway_ms:
            return False
        partition.asked_ms = partition.asked_ms or now_ms
        return True

    def ended(self, place: TopicPartition, stop_ms: int | None, now_ms: int, *, sources_gone: bool, at_end: bool) -> bool:
        """Tell whether a partition has nothing more for the job; never before the stop time is over, since it may be moved.

        `sources_gone`: each source has come the leeway past the stop. `at_end`: Kafka said so; that alone counts a while after the end
        was asked, for partitions that end in transaction marks.
        """
        partition = self.open[place]
        if stop_ms is None or now_ms <= stop_ms:
            return False
        if sources_gone:
            return True
        if partition.end_offset is None:
            return False
        return partition.next_offset >= partition.end_offset or (at_end and now_ms > partition.asked_ms + _MARKS_MS)

    def overdue(self, timeout_ms: float, now_ms: int) -> list[str]:
        """Return, in words, the partitions that have not got on for so long, though their end is known or was asked for."""
        for partition in self.open.values():
            if partition.next_offset != partition.seen_offset:
                partition.seen_offset, partition.moved_ms = partition.next_offset, now_ms
        return [
            f"{topic}[{number}] was read to {partition.next_offset} of {partition.end_offset or 'nobody knows how many'}"
            for (topic, number), partition in self.open.items()
            if partition.asked_ms and now_ms > max(partition.asked_ms, partition.moved_ms) + timeout_ms
        ]


@dataclass(slots=True, kw_only=True)
class DataReader:
    """The data partitions of one job; messages with a Kafka time before `from_ms` are skipped until the first that is not."""

    reader: PartitionReader
    router: Router
    progress: Progress
    most: int
    from_ms: int = 0
    ends: dict[TopicPartition, int] = field(default_factory=dict)  # where each partition that is read no more ended
    _portion: int = field(init=False)
    _several: bool = False
    _looked_again: set[str] = field(default_factory=set)  # topics whose partitions were listed once more at their end

    def __post_init__(self) -> None:
        self._portion = min(100, self.most)

    def open(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Begin to read at these offsets."""
        self._several = len(offsets) > 1
        self.progress.open.update({place: Partition(offset) for place, offset in offsets.items()})
        self.reader.assign(offsets)

    def read(self, wait_s: float) -> int:
        """Bring one portion on its way; return how many messages it had.

        Raises:
            TransportError: Kafka has lost the partition, its data or our rights.
        """
        messages = self.reader.read(self._portion, wait_s)
        size = 0
        for place, group in self._by_place(messages):
            partition = self.progress.open.get(place)
            if partition is None:  # it ended, with messages of it still on their way
                continue
            partition.next_offset = int(group[-1].offset() or 0) + 1
            if not partition.begun:
                group = self._without_early(partition, group)
            if group:
                size += self.router.take(*place, list(map(_value_of, group)), _kafka_times(group))
        if size:
            self._portion = min(self.most, max(_FEWEST, _PORTION_BYTES * len(messages) // size))
        return len(messages)

    def end_partitions(self, stop_ms: int | None, now_ms: int) -> bool:
        """Stop reading partitions that have given all; tell whether none is left."""
        for place in list(self.progress.open):
            if self.progress.is_due(place, stop_ms, now_ms, sources_done=self.router.done(*place)):
                self._ask_end(place)
        for place in list(self.progress.open):
            gone = self.router.done(*place, self.progress.leeway_ms)
            if self.progress.ended(place, stop_ms, now_ms, sources_gone=gone, at_end=place in self.reader.at_end):
                self.ends[place] = self.progress.open.pop(place).next_offset
                self.reader.consumer.incremental_unassign([confluent_kafka.TopicPartition(*place)])
        return not self.progress.open

    def _without_early(self, partition: Partition, group: Sequence[Message]) -> Sequence[Message]:
        """Return the messages from the first on that need be read: a successor of this writer would find that one by its Kafka time."""
        first = next((i for i, message in enumerate(group) if message.timestamp()[1] >= self.from_ms), len(group))
        partition.begun = first < len(group)
        self.router.skip(first)
        return group[first:]

    def _by_place(self, messages: Sequence[Message]) -> Iterator[tuple[TopicPartition, Sequence[Message]]]:
        if self._several:
            for place, run in itertools.groupby(messages, _place_of):
                yield place, list(run)
        elif messages:
            yield _place_of(messages[0]), messages

    def _ask_end(self, place: TopicPartition) -> None:
        with suppress(KafkaException, TransportError):  # asked again in the next round; `Progress.overdue` says when it takes too long
            if place[0] not in self._looked_again:
                self._open_new_partitions(place[0])
            _low, high = self.reader.consumer.get_watermark_offsets(confluent_kafka.TopicPartition(*place), timeout=_ASK_S)
            self.progress.open[place].end_offset = int(high)

    def _open_new_partitions(self, topic: str) -> None:
        """Read, from their first message on, partitions that the topic was given during the job."""
        known = {number for name, number in (*self.progress.open, *self.ends) if name == topic}
        for number in sorted(set(self.reader.partitions(topic, _ASK_S)) - known):
            self.router.add_partition(topic)
            self.progress.open[topic, number] = Partition(0)
            self.reader.consumer.incremental_assign([confluent_kafka.TopicPartition(topic, number, 0)])
            self._several = True
        self._looked_again.add(topic)


def places_of(offsets: Mapping[str, Mapping[int, int]]) -> dict[TopicPartition, int]:
    """Return offsets by (topic, partition) from offsets by topic."""
    return {(topic, number): offset for topic, by_number in offsets.items() for number, offset in by_number.items()}


def missing_sources(topic: str, sources: Iterable[str]) -> str:
    """Return in words what can't be written without a topic."""
    return f"topic {topic!r} is missing, so nothing was written for {', '.join(sorted(set(sources)))}"


def _kafka_times(group: Sequence[Message]) -> Any:
    """Return what gives the Kafka times, ms, of some of these messages: few are ever asked for."""
    return lambda rows: np.array([group[row].timestamp()[1] for row in rows.tolist()], np.int64)


_value_of = methodcaller("value")


def _place_of(message: Message) -> Any:
    return message.topic(), message.partition()
