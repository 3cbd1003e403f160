"""How the audit gets its messages: the job's words from the command topics, its data from every topic that its structure names."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from testbeam.audit.job import Job
from testbeam.audit.message import Message
from testbeam.errors import AuditError, WireError
from testbeam.transport.kafka import Kafka, Reader
from testbeam.wire.flatbuffers.registry import decode

Place = tuple[str, int]

_AT_ONCE = 2000
_WAIT_S = 0.05


def words(kafka: Kafka, topics: Iterable[str], within_s: float) -> list[Any]:
    """Return all that was said on command topics, a topic at a time and in order; what is no valid message is left out."""
    said = []
    with kafka.reader() as reader:
        for topic in dict.fromkeys(topics):
            bounds = {(topic, number): both for number, both in reader.watermarks(topic).items()}
            for _kafka_ms, message in _between(reader, bounds, within_s):
                try:
                    said.append(decode(message.payload or b""))
                except WireError:
                    continue  # the commands are not what is audited; the data are, and there every byte is accounted for
    return said


def data(kafka: Kafka, job: Job, topics: Iterable[str], before_s: float, after_s: float, within_s: float) -> Iterator[Message]:
    """Yield the messages that the writer of a job had to look at, those of a partition in order.

    From the first with a Kafka time of `before_s` before the start on, up to where each partition ends now, or to the first message
    with a Kafka time of more than `after_s` after the stop.

    Raises:
        TopicMissing, TransportError: Kafka can't give them.
        AuditError: nothing came for `within_s`.
    """
    from_ms, to_ms = job.start_ms - round(before_s * 1000), job.stop_ms + round(after_s * 1000)
    over: set[Place] = set()
    with kafka.reader() as reader:
        bounds: dict[Place, tuple[int, int]] = {}
        for topic in sorted(set(topics)):
            first = reader.offsets_at(topic, from_ms)
            bounds |= {(topic, number): (first[number], end) for number, (_low, end) in reader.watermarks(topic).items()}
        for kafka_ms, message in _between(reader, bounds, within_s, over):
            if kafka_ms > to_ms:
                over.add((message.topic, message.partition))
            else:
                yield message


def fetch(kafka: Kafka, topic: str, partition: int, offset: int, within_s: float = 10.0) -> bytes:
    """Return the payload of one message."""
    with kafka.reader() as reader:
        for _kafka_ms, message in _between(reader, {(topic, partition): (offset, offset + 1)}, within_s):
            if message.offset == offset:
                return message.payload or b""
    raise AuditError(f"{topic}[{partition}] has no message at offset {offset} any more")


def _between(
    reader: Reader, bounds: Mapping[Place, tuple[int, int]], within_s: float, over: Iterable[Place] = ()
) -> Iterator[tuple[int, Message]]:
    """Yield (Kafka time in ms, message) from each place's first offset up to before its end; `over` may grow meanwhile: those end early."""
    ends = {place: end for place, (first, end) in bounds.items() if first < end}
    reader.assign({place: bounds[place][0] for place in ends})
    deadline_s = time.monotonic() + within_s
    while ends:
        for raw in reader.read(_AT_ONCE, _WAIT_S):
            place, offset = (str(raw.topic()), int(raw.partition() or 0)), int(raw.offset() or 0)
            if place in ends and offset < ends[place]:
                yield raw.timestamp()[1], Message(*place, offset, raw.value())
            if place in ends and (offset + 1 >= ends[place] or place in over):
                del ends[place]
            deadline_s = time.monotonic() + within_s
        for ended in [p for p in ends if p in reader.at_end]:  # the last offsets may be marks of transactions, which are no messages
            del ends[ended]
        if ends and time.monotonic() > deadline_s:
            waiting = ", ".join(f"{topic}[{partition}] up to {end}" for (topic, partition), end in sorted(ends.items()))
            raise AuditError(f"{reader.bootstrap}: nothing came for {within_s:g} s, still to be read: {waiting}")
