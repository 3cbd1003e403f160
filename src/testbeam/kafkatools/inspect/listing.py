"""Listing of the topics on a broker: how full each is, and what is on it."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import confluent_kafka
from confluent_kafka import KafkaException, Message
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # their stubs forget it

from testbeam.errors import TransportError
from testbeam.model.deadline import Deadline
from testbeam.model.topic_partition import TopicPartition
from testbeam.transport.kafka.client import Kafka
from testbeam.wire.readable.payload import kind_of

_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicFacts:
    """One topic; `newest_ms` and `schemas` (the schemas of its newest messages, "-" for none) come from a sample."""

    name: str
    partitions: int
    messages: int
    newest_ms: int | None = None
    schemas: tuple[str, ...] = ()


def list_topics(kafka: Kafka, *, sample: int = 20, internal: bool = False, within_s: float = _WITHIN_S) -> list[TopicFacts]:
    """Return all topics by name, having looked at the newest `sample` messages of each partition; `internal` adds Kafka's own.

    Raises:
        TransportError: the broker does not answer.
    """
    admin = kafka.admin()
    try:
        metadata = admin.list_topics(timeout=within_s)
        names = sorted(name for name in metadata.topics if internal or not name.startswith("__"))
        places = [(name, partition) for name in names for partition in metadata.topics[name].partitions]
        low = _offsets(admin, places, OffsetSpec.earliest(), within_s)  # type: ignore[no-untyped-call]
        high = _offsets(admin, places, OffsetSpec.latest(), within_s)  # type: ignore[no-untyped-call]
    except KafkaException as error:
        raise TransportError(f"{kafka.bootstrap}: no answer within {within_s:g} s ({error.args[0].str()}); is the broker up?") from error
    starts = {place: max(low[place], high[place] - sample) for place in places}
    seen = _newest(kafka, starts, high, within_s) if sample > 0 else []
    return [_facts(name, [place for place in places if place[0] == name], low, high, seen) for name in names]


def _offsets(admin: Any, places: Iterable[TopicPartition], spec: OffsetSpec, within_s: float) -> dict[TopicPartition, int]:
    asked = {confluent_kafka.TopicPartition(topic, partition): spec for topic, partition in places}
    answers = admin.list_offsets(asked, request_timeout=within_s) if asked else {}
    return {(place.topic, place.partition): answer.result(within_s).offset for place, answer in answers.items()}


def _newest(kafka: Kafka, starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int], within_s: float) -> list[Message]:
    """Return what lies from `starts` to `ends`, or what of it came in time."""
    seen: list[Message] = []
    deadline = Deadline(within_s)
    with kafka.reader() as reader, suppress(TransportError):
        bounds = {place: (starts[place], ends[place]) for place in starts}
        for messages in reader.between(bounds, silent_s=within_s, stop=lambda: deadline.passed):
            seen += messages
    return seen


def _facts(
    name: str, places: list[TopicPartition], low: Mapping[TopicPartition, int], high: Mapping[TopicPartition, int], seen: list[Message]
) -> TopicFacts:
    own = [message for message in seen if message.topic() == name]
    return TopicFacts(
        name=name,
        partitions=len(places),
        messages=sum(high[place] - low[place] for place in places),
        newest_ms=max((message.timestamp()[1] for message in own), default=None),
        schemas=tuple(sorted({kind_of(message.value() or b"") for message in own})),
    )
