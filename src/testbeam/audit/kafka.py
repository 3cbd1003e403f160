"""Messages for the audit: the job's words from the command topics, its data from every topic that its structure names."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from testbeam.audit.job import Job
from testbeam.audit.message import Message
from testbeam.errors import AuditError, WireError
from testbeam.model.topic_partition import TopicPartition
from testbeam.transport.kafka.client import Kafka, Reader
from testbeam.wire.flatbuffers.registry import decode

_BEYOND_MS = 60_000  # read before what had to be read, to name what the rule has left out


class Word(NamedTuple):
    """Something that was said on a command topic, and its Kafka time."""

    value: Any
    kafka_ms: int


def words(kafka: Kafka, topics: Iterable[str], within_s: float) -> list[Word]:
    """Return all that was said on command topics, a topic at a time and in order; what is no valid message is left out."""
    said = []
    with kafka.reader() as reader:
        for topic in dict.fromkeys(topics):
            bounds = {(topic, number): both for number, both in reader.watermarks(topic).items()}
            for message in _between(reader, bounds, within_s):
                try:
                    said.append(Word(decode(message.payload or b""), message.kafka_ms))
                except WireError:
                    continue  # the commands are not what is audited; the data are, and there every byte is accounted for
    return said


def data(kafka: Kafka, job: Job, topics: Iterable[str], before_s: float, within_s: float) -> Iterator[Message]:
    """Yield the messages that the writer of a job had to look at, and more, those of a partition in order.

    From a minute before the Kafka time from which on the writer had to read, up to where each partition ends now: one message's Kafka
    time says nothing of those behind it.

    Raises:
        TopicMissing, TransportError: Kafka can't give them, or nothing came for `within_s`.
        AuditError: Kafka has deleted what was to be read.
    """
    from_ms = must_read_from_ms(job, before_s)
    begin_ms = from_ms - _BEYOND_MS
    with kafka.reader() as reader:
        bounds: dict[TopicPartition, tuple[int, int]] = {}
        for topic in sorted(set(topics)):
            bounds |= _bounds(reader, topic, begin_ms, from_ms)
        yield from _between(reader, bounds, within_s)


def must_read_from_ms(job: Job, before_s: float) -> int:
    """Return the Kafka time from which on the writer of a job has to read."""
    return job.start_ms - round(before_s * 1000)


def _bounds(reader: Reader, topic: str, begin_ms: int, from_ms: int) -> dict[TopicPartition, tuple[int, int]]:
    """Return where to begin and end in each partition; all since `from_ms` must be there."""
    begin, window = reader.offsets_at(topic, begin_ms), reader.offsets_at(topic, from_ms)
    bounds = {}
    for number, (low, end) in reader.watermarks(topic).items():
        if 0 < low >= window[number]:  # of what was deleted nobody knows the time, unless something older than the window is left
            raise AuditError(
                f"Kafka no longer holds the start of the window of {topic}[{number}]: its oldest message, at offset {low}, is not "
                "older than the window; audit sooner, or keep topics longer"
            )
        bounds[topic, number] = max(begin[number], low), end
    return bounds


def fetch(kafka: Kafka, topic: str, partition: int, offset: int, within_s: float = 10.0) -> bytes:
    """Return the payload of one message."""
    with kafka.reader() as reader:
        for message in _between(reader, {(topic, partition): (offset, offset + 1)}, within_s):
            if message.offset == offset:
                return message.payload or b""
    raise AuditError(f"{topic}[{partition}] has no message at offset {offset} any more")


def _between(reader: Reader, bounds: Mapping[TopicPartition, tuple[int, int]], within_s: float) -> Iterator[Message]:
    """Yield the messages from each place's first offset up to before its end; raise as `Reader.between`."""
    for messages in reader.between(bounds, silent_s=within_s):
        for raw in messages:
            yield Message(str(raw.topic()), int(raw.partition() or 0), int(raw.offset() or 0), raw.value(), raw.timestamp()[1])
