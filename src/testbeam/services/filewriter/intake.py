"""How a job's messages come in from Kafka: which partitions from which offsets, in which portions, and when all is read."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaException, Message, TopicPartition

from testbeam.services.filewriter.progress import Partition, Place, Progress
from testbeam.services.filewriter.router import Router
from testbeam.transport.kafka.client import Reader

_PORTION_BYTES = 4_000_000  # read at once: larger portions only push data out of the processor's cache
_FEWEST = 10
_ASK_S = 1.0


@dataclass(slots=True, kw_only=True)
class Intake:
    """The data partitions of one job, read into its router."""

    reader: Reader
    router: Router
    progress: Progress
    most: int
    _portion: int = field(init=False)
    _places: tuple[Place, ...] = ()

    def __post_init__(self) -> None:
        self._portion = min(100, self.most)

    def open(self, offsets: Mapping[Place, int]) -> None:
        """Begin to read at these offsets."""
        self._places = tuple(offsets)
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
            if place in self.progress.open:  # else it ended, with messages of it still on their way
                topic, partition = place
                kafka_ms = group[-1].timestamp()[1]
                size += self.router.take(topic, partition, [message.value() for message in group], kafka_ms)
                self.progress.read(place, int(group[-1].offset() or 0), kafka_ms)
        if size:
            self._portion = max(_FEWEST, min(self.most, _PORTION_BYTES * len(messages) // size))
        return len(messages)

    def end_partitions(self, stop_ms: int | None, now_ms: int) -> bool:
        """Stop reading partitions that have given all; tell whether none is left."""
        for place in self.progress.to_ask(stop_ms, now_ms):
            self._ask_end(place)
        for place in list(self.progress.open):
            done = self.router.done(*place)
            if self.progress.ended(place, stop_ms, now_ms, sources_done=done, at_end=place in self.reader.at_end):
                del self.progress.open[place]
                self.reader.consumer.incremental_unassign([TopicPartition(*place)])
        return not self.progress.open

    def _by_place(self, messages: Sequence[Message]) -> Iterator[tuple[Place, Sequence[Message]]]:
        if len(self._places) > 1:
            for place, run in itertools.groupby(messages, _place_of):
                yield place, list(run)
        elif messages:
            yield self._places[0], messages

    def _ask_end(self, place: Place) -> None:
        with suppress(KafkaException):  # asked again in the next round; `Progress.stuck` says when it takes too long
            _low, high = self.reader.consumer.get_watermark_offsets(TopicPartition(*place), timeout=_ASK_S)
            self.progress.answered(place, int(high))


def places_of(offsets: Mapping[str, Mapping[int, int]]) -> dict[Place, int]:
    """Return offsets by (topic, partition) from offsets by topic."""
    return {(topic, number): offset for topic, by_number in offsets.items() for number, offset in by_number.items()}


def missing_sources(topic: str, sources: Iterable[str]) -> str:
    """Return in words what can't be written without a topic."""
    return f"topic {topic!r} is missing, so nothing was written for {', '.join(sorted(set(sources)))}"


def _place_of(message: Message) -> Any:
    return message.topic(), message.partition()
