"""Tail of a topic: what came last, and what comes now."""

import difflib
import threading
from collections.abc import Iterable, Iterator

from confluent_kafka import Message

from testbeam.kafkatools.inspect.history import between, bounds, newest
from testbeam.kafkatools.inspect.message import Wanted, key_of, plain, sender_of
from testbeam.transport.kafka.client import Kafka
from testbeam.wire.kafka.message import KafkaMessage
from testbeam.wire.readable.texts import time_ms

_FOLLOW_MOST = 1_000
_FOLLOW_WAIT_S = 0.05
_LOOKED_AT = 1_000


def tail(
    kafka: Kafka,
    topic: str,
    *,
    count: int | None = 10,
    since_ms: int | None = None,
    wanted: Wanted = Wanted(),
    follow: bool = False,
    stop: threading.Event | None = None,
) -> Iterator[list[KafkaMessage]]:
    """Yield the newest messages of a topic in the order of time, then, with `follow`, what comes, until `stop` is set at any time.

    count None: all from `since_ms` on, as they come. Between what was there and what comes, nothing is missed or shown twice.

    Raises:
        TopicMissing: the topic is not on the broker; near names are given.
        TransportError: the broker does not answer.
        SettingsError: the topic has no such partition.
    """
    stop = stop or threading.Event()
    with kafka.reader() as reader:
        limits = bounds(reader, topic, wanted)
        ends = {partition: high for partition, (_, high) in limits.items()}
        if since_ms is not None:
            later = reader.offsets_at(topic, since_ms)
            limits = {partition: (min(max(low, later[partition]), high), high) for partition, (low, high) in limits.items()}
        if count is None:
            starts = {partition: low for partition, (low, _) in limits.items()}
            for messages in between(reader, topic, starts, ends, stop):
                yield _chosen(messages, wanted)
        elif count:
            yield [plain(message) for message in newest(reader, topic, limits, wanted, count, stop)]
        if follow:
            reader.assign({(topic, partition): end for partition, end in ends.items()})
        while follow and not stop.is_set():
            yield _chosen(reader.read(_FOLLOW_MOST, _FOLLOW_WAIT_S), wanted)


def why_nothing(kafka: Kafka, topic: str, wanted: Wanted) -> str:
    """Say why nothing was shown: the topic is empty, or nothing fits; then with the sources or keys that are nearest."""
    with kafka.reader() as reader:
        last = newest(reader, topic, bounds(reader, topic, Wanted(partition=wanted.partition)), Wanted(), _LOOKED_AT)
    if not last:
        return f"topic {topic!r} is empty"
    asked, kind, there = (
        (wanted.key, "key", map(key_of, last)) if wanted.source is None else (wanted.source, "source", map(sender_of, last))
    )
    if asked is None:
        return f"nothing is that new; the newest message of {topic!r} is of {time_ms(last[-1].timestamp()[1])}"
    names = sorted(set(there) - {""})
    near = difflib.get_close_matches(asked or "", names) or names
    return f"no message of {kind} {asked!r} on {topic!r}; the newest are of {', '.join(near[:5]) or 'none'}"


def _chosen(messages: Iterable[Message], wanted: Wanted) -> list[KafkaMessage]:
    return [plain(message) for message in messages if wanted.is_all or wanted.fits(message)]
