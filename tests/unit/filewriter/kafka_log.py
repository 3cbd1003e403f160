"""A topic's partitions as lists in memory, and a reader of them whose portions are cut as a test says."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

TOPIC = "motion"


@dataclass(frozen=True)
class Sent:
    """A message as the Kafka client has it; `kafka_ms` is its Kafka time."""

    payload: bytes
    kafka_ms: int
    number: int = 0
    at: int = 0
    topic_name: str = TOPIC

    def topic(self) -> str:
        return self.topic_name

    def partition(self) -> int:
        return self.number

    def offset(self) -> int:
        return self.at

    def value(self) -> bytes:
        return self.payload

    def timestamp(self) -> tuple[int, int]:
        return 1, self.kafka_ms


@dataclass
class LogReader:
    """Reads `logs` by turns: each portion has so many messages of such a partition; without turns all that is left, by partition."""

    logs: Mapping[tuple[str, int], Sequence[Sent]]
    turns: Iterator[tuple[int, int]] = field(default_factory=lambda: iter(()))
    positions: dict[tuple[str, int], int] = field(default_factory=dict)
    at_end: set[Any] = field(default_factory=set)
    unassigned: list[Any] = field(default_factory=list)
    found: dict[str, Sequence[int]] = field(default_factory=dict)  # partitions that the broker tells of

    @property
    def consumer(self) -> "LogReader":
        return self

    def assign(self, offsets: Mapping[tuple[str, int], int]) -> None:
        self.positions.update(offsets)

    def incremental_assign(self, places: Sequence[Any]) -> None:
        self.positions.update({(place.topic, place.partition): place.offset for place in places})

    def incremental_unassign(self, places: Sequence[Any]) -> None:
        for place in places:
            self.unassigned.append((place.topic, place.partition))
            del self.positions[place.topic, place.partition]

    def partitions(self, topic: str, _within_s: float) -> Sequence[int]:
        return self.found.get(topic, [number for name, number in self.logs if name == topic])

    def get_watermark_offsets(self, place: Any, timeout: float) -> tuple[int, int]:
        assert timeout > 0
        return 0, len(self.logs[place.topic, place.partition])

    def close(self) -> None:
        pass

    def read(self, most: int, _wait_s: float) -> Sequence[Sent]:
        turn = next(self.turns, None)
        if turn is None:
            return [message for place in sorted(self.positions) for message in self._next(place, most)]
        places = sorted(self.positions)
        return self._next(places[turn[0] % len(places)], turn[1]) if places else []

    def _next(self, place: tuple[str, int], most: int) -> Sequence[Sent]:
        at = self.positions[place]
        messages = self.logs[place][at : at + most]
        self.positions[place] = at + len(messages)
        return messages
