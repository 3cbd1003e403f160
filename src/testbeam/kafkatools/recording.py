"""Recording of messages off Kafka into a file: raw bytes, keys, headers and times, without a gap."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from confluent_kafka import Message
from numpy.typing import NDArray

from testbeam._version import __version__
from testbeam.errors import RecordingError, SettingsError
from testbeam.kafkatools.recording_file import RecordingWriter
from testbeam.kafkatools.recording_span import Progress, Span
from testbeam.model.time import NS_PER_MS
from testbeam.model.topic_partition import TopicPartition
from testbeam.transport.kafka.client import Kafka, Reader
from testbeam.wire.recording.facts import About
from testbeam.wire.recording.messages import MessageBatch, encode_headers

_READ_MOST, _READ_LEAST = 1_000, 10  # messages at a time
_READ_SIZE = 2 << 20  # bytes at a time, as far as the messages before can tell: more than the caches hold takes twice the time
_READ_WAIT_S = 0.1  # also how much of a slow topic a killed recorder may lose
_BLOCK_SIZE = 8 << 20  # bytes of values: what damage to one byte may cost
_TELL_EVERY_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What a recording holds: messages by topic, bytes of the file, seconds that it took, and why it ended."""

    path: Path
    messages: Mapping[str, int]
    file_bytes: int
    seconds: float
    reason: str

    @property
    def total(self) -> int:
        """Return the number of messages of all topics."""
        return sum(self.messages.values())


Tell = Callable[[int, int], None]  # messages and bytes so far


def record(
    kafka: Kafka,
    topics: Sequence[str],
    path: Path,
    *,
    span: Span = Span(),
    compress: bool = False,
    overwrite: bool = False,
    stop: threading.Event | None = None,
    on_progress: Tell = lambda _messages, _bytes: None,
) -> Recorded:
    """Record topics into a new file until the span is complete or `stop` is set; the partitions are those of the beginning.

    Raises:
        TopicMissing: a topic is not on the broker.
        TransportError: the broker does not answer, or its data are gone.
        RecordingError: the file can't be written on; what was written before can be read.
        SettingsError: the file exists and `overwrite` is not set, or the span is over before it begins.
    """
    with kafka.reader() as reader:
        recorder = _Recorder(reader, tuple(dict.fromkeys(topics)), span, stop or threading.Event(), on_progress)
        with RecordingWriter(path, recorder.about(), compress=compress, overwrite=overwrite) as file:
            return recorder.run(file)


class _Recorder:
    """One recording from the reader's assignment to the end mark."""

    def __init__(self, reader: Reader, topics: Sequence[str], span: Span, stop: threading.Event, on_progress: Tell) -> None:
        self.reader = reader
        self.topics = topics
        self.span = span
        self.stop = stop
        self.on_progress = on_progress
        if span.from_ms is None and span.to_ms is not None and span.to_ms <= _now_ms():
            raise SettingsError("to_ms", span.to_ms, "a time that lies ahead, or say with `from_ms` where the past begins")
        self.started_s = time.monotonic()
        self.counts: Counter[TopicPartition] = Counter()
        self.most = _READ_LEAST
        starts = _offsets(reader, topics, span.from_ms)
        self.partitions = tuple(starts)
        self.index = {one: number for number, one in enumerate(self.partitions)}
        self.progress = Progress(self.partitions, starts)
        if span.is_what_is_there:
            self.progress.end_at(_offsets(reader, topics, None))
        reader.assign(starts)

    def about(self) -> About:
        metadata = self.reader.consumer.list_topics(timeout=10)
        return About(
            topics={topic: sum(name == topic for name, _ in self.partitions) for topic in self.topics},
            bootstrap=self.reader.bootstrap,
            cluster_id=metadata.cluster_id or "",
            started_ms=_now_ms(),
            software=f"testbeam {__version__}",
        )

    def run(self, file: RecordingWriter) -> Recorded:
        try:
            reason = self._loop(file)
        except BaseException as error:
            with suppress(RecordingError):  # the first error is the one to tell
                file.end(f"{type(error).__name__}: {error}", _now_ms())
            raise
        file.end(reason, _now_ms())
        self.on_progress(file.messages, file.size)
        counts: Counter[str] = Counter(dict.fromkeys(self.topics, 0))
        for (topic, _), count in self.counts.items():
            counts[topic] += count
        seconds = time.monotonic() - self.started_s
        return Recorded(path=file.path, messages=counts, file_bytes=file.size, seconds=seconds, reason=reason)

    def _loop(self, file: RecordingWriter) -> str:
        """Record until there is a reason to end, and return it."""
        heard_s = told_s = time.monotonic()
        to_ms = self.span.to_ms
        while True:
            if to_ms is not None and _now_ms() >= to_ms:
                self.progress.end_at(_offsets(self.reader, self.topics, to_ms))
                to_ms = None
            batch = self.read(file)
            now_s = time.monotonic()
            heard_s = now_s if batch else heard_s
            if now_s - told_s >= _TELL_EVERY_S:
                told_s = now_s
                self.on_progress(file.messages, file.size)
            reason = self._reason(file.messages, now_s, heard_s)
            if reason:
                return reason

    def read(self, file: RecordingWriter) -> int:
        """Take what has come; return how many that were, whether or not they belong to the span."""
        messages = self.reader.read(self.most, _READ_WAIT_S)
        if messages:
            self.most = min(max(_READ_SIZE * len(messages) // (sum(map(len, messages)) + 1), _READ_LEAST), _READ_MOST)
        for block in in_blocks(messages):
            most = None if self.span.messages is None else self.span.messages - file.messages
            batch = self.progress.take(gather(block, self.partitions, self.index), most)
            if len(batch):
                file.write(batch)
                self._count(batch)
        return len(messages)

    def _count(self, batch: MessageBatch) -> None:
        for number, count in enumerate(np.bincount(batch.partition, minlength=len(self.partitions)).tolist()):
            self.counts[self.partitions[number]] += count

    def _reason(self, messages: int, now_s: float, heard_s: float) -> str:
        span = self.span
        if self.stop.is_set():
            return "told to stop"
        if span.messages is not None and messages >= span.messages:
            return f"{messages} messages"
        if span.for_s is not None and now_s - self.started_s >= span.for_s:
            return f"{span.for_s:g} s have passed"
        if self.progress.is_complete(self._at_end()):
            return "all that was asked for is there"
        idle = span.idle_s is not None and now_s - heard_s >= span.idle_s
        if idle and len(self._at_end()) == len(self.partitions):  # else the broker is silent, which is not the same
            return f"nothing came for {span.idle_s:g} s"
        return ""

    def _at_end(self) -> set[TopicPartition]:
        return self.reader.at_end  # type: ignore[return-value]  # None stands for no topic, which only errors have


def gather(messages: Sequence[Message], partitions: Sequence[TopicPartition], index: Mapping[TopicPartition, int]) -> MessageBatch:
    """Return Kafka's messages as columns."""
    count = len(messages)
    kinds, times = zip(*map(Message.timestamp, messages), strict=True) if messages else ((), ())
    headers = list(map(Message.headers, messages))
    return MessageBatch(
        partitions=partitions,
        partition=_partition(messages, index) if len(partitions) > 1 else np.zeros(count, np.uint16),
        timestamp_type=np.array(kinds, np.uint8),
        offset=np.fromiter(map(Message.offset, messages), np.int64, count),
        timestamp_ms=np.array(times, np.int64),
        key=list(map(Message.key, messages)),
        value=list(map(Message.value, messages)),
        headers=[encode_headers(found) if found else b"" for found in headers] if any(headers) else [b""] * count,  # type: ignore[arg-type]
    )


def in_blocks(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    """Yield messages in runs that are no larger than a block should be, or are one message."""
    start = size = 0
    if sum(map(len, messages)) > _BLOCK_SIZE:
        for number, message in enumerate(messages):
            size += len(message)
            if size > _BLOCK_SIZE and number > start:
                yield messages[start:number]
                start, size = number, len(message)
    if messages:
        yield messages[start:]


def _partition(messages: Sequence[Message], index: Mapping[TopicPartition, int]) -> NDArray[np.uint16]:
    pairs = zip(map(Message.topic, messages), map(Message.partition, messages), strict=True)
    return np.fromiter(map(index.__getitem__, pairs), np.uint16, len(messages))  # type: ignore[arg-type]


def _offsets(reader: Reader, topics: Sequence[str], at_ms: int | None) -> dict[TopicPartition, int]:
    """Return an offset of each partition: the next one (None), the oldest (0 or before), or the first at or after a time."""
    found: dict[TopicPartition, int] = {}
    for topic in topics:
        if at_ms is not None and at_ms > 0:
            offsets = reader.offsets_at(topic, at_ms)
        else:
            offsets = {partition: high if at_ms is None else low for partition, (low, high) in reader.watermarks(topic).items()}
        found |= {(topic, partition): offset for partition, offset in offsets.items()}
    return found


def _now_ms() -> int:
    return time.time_ns() // NS_PER_MS
