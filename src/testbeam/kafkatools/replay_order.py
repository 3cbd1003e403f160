"""Order and times of recorded messages that are to come as they came at first."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import RecordingError
from testbeam.kafkatools.recording_file import content_of, parts
from testbeam.model.topic_partition import TopicPartition
from testbeam.wire.recording.blocks import Block, block_at
from testbeam.wire.recording.messages import MessageBatch

_KEPT = 64 << 20  # bytes of blocks that are kept decoded
_RUN = 1_000  # rows of one run at most: between runs one can stop


@dataclass(frozen=True, slots=True)
class Run:
    """Rows of one batch that follow each other; `due_ms` counts from the first message of the recording."""

    batch: MessageBatch
    rows: NDArray[np.int64]
    due_ms: NDArray[np.int64]


def in_file_order(path: Path) -> Iterator[Run]:
    """Yield all messages as they stand in the file, each due at once: the quickest; partitions keep their order."""
    for part in parts(path):
        if isinstance(part.content, MessageBatch):
            for start in range(0, len(part.content), _RUN):
                rows = np.arange(start, min(start + _RUN, len(part.content)))
                yield Run(part.content, rows, np.zeros(len(rows), np.int64))


def in_time_order(path: Path) -> Iterator[Run]:
    """Yield all messages by their Kafka timestamps, whatever the order in which partitions were read; partitions keep their order."""
    due, block, row, positions = _index(path)
    if not len(due):
        return
    first_ms = int(due.min())
    order = np.argsort(due, kind="stable")
    starts = np.flatnonzero(np.diff(block[order], prepend=-1))
    batches = _Batches(path, positions)
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(order)], strict=True):
        batch = batches.get(int(block[order[start]]))
        for begin in range(start, stop, _RUN):
            chosen = order[begin : min(begin + _RUN, stop)]
            yield Run(batch, row[chosen], due[chosen] - first_ms)


def due_times(batch: MessageBatch, latest_ms: dict[TopicPartition, int]) -> NDArray[np.int64]:
    """Return when each message is due: at its timestamp, but not before one that stands before it in its partition.

    `latest_ms` holds the due time of each partition's message before this batch, and is brought up to date.
    """
    due: NDArray[np.int64] = batch.timestamp_ms.astype(np.int64)
    for number in np.unique(batch.partition).tolist():
        rows = np.flatnonzero(batch.partition == number)
        partition = batch.partitions[number]
        due[rows] = np.maximum(np.maximum.accumulate(due[rows]), latest_ms.get(partition, int(due[rows[0]])))
        latest_ms[partition] = int(due[rows[-1]])
    return due


def _index(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], list[int]]:
    """Return due time, block and row of every message, and where in the file each block stands."""
    due: list[NDArray[np.int64]] = []
    positions: list[int] = []
    latest_ms: dict[TopicPartition, int] = {}
    for part in parts(path):
        if isinstance(part.content, MessageBatch):
            positions.append(part.at)
            due.append(due_times(part.content, latest_ms))
    counts = [len(times) for times in due]
    block = np.repeat(np.arange(len(counts)), counts)
    row = np.concatenate([np.arange(count) for count in counts]) if counts else np.zeros(0, np.int64)
    return np.concatenate(due) if due else np.zeros(0, np.int64), block, row, positions


@dataclass(slots=True)
class _Batches:
    """Blocks by number, read again where they are needed again, the last used ones kept."""

    path: Path
    positions: list[int]
    kept: OrderedDict[int, tuple[int, MessageBatch]] = field(default_factory=OrderedDict)
    size: int = 0

    def get(self, number: int) -> MessageBatch:
        if number not in self.kept:
            self._read(number)
        self.kept.move_to_end(number)
        return self.kept[number][1]

    def _read(self, number: int) -> None:
        with self.path.open("rb") as file:
            found = block_at(file, self.positions[number], file.seek(0, 2))
        content = content_of(found) if isinstance(found, Block) else found
        if not isinstance(found, Block) or not isinstance(content, MessageBatch):
            raise RecordingError(self.path, f"has changed since it was looked through: {content}")
        self.kept[number] = (len(found.body), content)
        self.size += len(found.body)
        while self.size > _KEPT and len(self.kept) > 1:
            self.size -= self.kept.popitem(last=False)[1][0]
