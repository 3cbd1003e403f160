"""Span of a recording: the messages that belong to it, and when it is complete."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import SettingsError
from testbeam.model.topic_partition import TopicPartition
from testbeam.wire.recording.messages import MessageBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What to record: from when to when, and what ends it first.

    `from_ms` None is "from now on", 0 "from the oldest". From the past without any end means "what is there now". Times are Kafka's
    timestamps in ms since 1970: in each partition, from the first message at or after `from_ms` to the last before the first one at
    or after `to_ms`.

    Raises:
        SettingsError: an end is not positive, or comes before the beginning.
    """

    from_ms: int | None = None
    to_ms: int | None = None
    for_s: float | None = None
    idle_s: float | None = None
    messages: int | None = None

    def __post_init__(self) -> None:
        for option, value in (("for_s", self.for_s), ("idle_s", self.idle_s), ("messages", self.messages)):
            if value is not None and value <= 0:
                raise SettingsError(option, value, "more than 0")
        if self.from_ms is not None and self.to_ms is not None and self.to_ms <= self.from_ms:
            raise SettingsError("to_ms", self.to_ms, "a time after `from_ms`")

    @property
    def is_what_is_there(self) -> bool:
        """Return whether the recording ends where the topics end at its start."""
        return self.from_ms is not None and (self.to_ms, self.for_s, self.idle_s, self.messages) == (None, None, None, None)


@dataclass(slots=True)
class Progress:
    """How far each partition was read, and where it ends, if that is known; positions and ends are offsets."""

    partitions: Sequence[TopicPartition]
    starts: Mapping[TopicPartition, int]
    positions: NDArray[np.int64] = field(init=False)
    _ends: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        self.positions = np.array([self.starts[one] for one in self.partitions], np.int64)

    def end_at(self, ends: Mapping[TopicPartition, int]) -> None:
        """Take nothing at or after these offsets."""
        self._ends = np.array([ends[one] for one in self.partitions], np.int64)

    def take(self, batch: MessageBatch, most: int | None) -> MessageBatch:
        """Return what of a batch belongs to the recording, at most so many, and remember how far it was read."""
        if not len(batch):
            return batch
        self.positions[batch.partition] = batch.offset + 1  # of a partition's offsets the last one stays
        if self._ends is not None:
            batch = _where(batch, batch.offset < self._ends[batch.partition])
        if most is not None and len(batch) > most:
            batch = _where(batch, np.arange(len(batch)) < most)
        return batch

    def is_complete(self, at_end: frozenset[TopicPartition] | set[TopicPartition]) -> bool:
        """Return whether every partition was read to its end; `at_end` has those with nothing more on the broker.

        They are asked as well because the last offsets of a partition may hold no message: transactions and compaction leave gaps.
        """
        if self._ends is None:
            return False
        missing = np.flatnonzero(self.positions < self._ends)
        return all(self.partitions[index] in at_end for index in missing.tolist())


def _where(batch: MessageBatch, keep: NDArray[np.bool_]) -> MessageBatch:
    if keep.all():
        return batch
    kept = np.flatnonzero(keep).tolist()
    return MessageBatch(
        partitions=batch.partitions,
        partition=batch.partition[keep],
        timestamp_type=batch.timestamp_type[keep],
        offset=batch.offset[keep],
        timestamp_ms=batch.timestamp_ms[keep],
        key=[batch.key[row] for row in kept],
        value=[batch.value[row] for row in kept],
        headers=[batch.headers[row] for row in kept],
    )
