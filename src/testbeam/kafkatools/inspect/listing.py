"""Listing of the topics on a broker: how full each is, and what is on it."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import sleep
from typing import Any

import confluent_kafka
from confluent_kafka import KafkaException, Message
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # their stubs forget it

from testbeam.errors import TransportError
from testbeam.model.deadline import Deadline
from testbeam.model.topic_partition import TopicPartition
from testbeam.transport.kafka.client import RETRY_S, Kafka, has_no_leader
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
    admin, deadline = kafka.admin(), Deadline(within_s)
    while True:
        try:
            low, high = _limits(admin, internal, within_s)
        except KafkaException as error:
            if has_no_leader(error) and not deadline.passed:
                sleep(RETRY_S)
                continue
            raise TransportError(
                f"{kafka.bootstrap}: no answer within {within_s:g} s ({error.args[0].str()}); is the broker up?"
            ) from error
        break
    starts = {one: max(low[one], high[one] - sample) for one in low}
    seen = _newest(kafka, starts, high, within_s) if sample > 0 else []
    names = sorted({topic for topic, _ in low})
    return [_facts(name, [one for one in low if one[0] == name], low, high, seen) for name in names]


Offsets = dict[TopicPartition, int]


def _limits(admin: Any, internal: bool, within_s: float) -> tuple[Offsets, Offsets]:
    """Return the oldest and the next offset of every partition that there is."""
    topics = admin.list_topics(timeout=within_s).topics
    partitions = [(name, number) for name in sorted(topics) if internal or not name.startswith("__") for number in topics[name].partitions]
    low = _offsets(admin, partitions, OffsetSpec.earliest(), within_s)  # type: ignore[no-untyped-call]
    return low, _offsets(admin, partitions, OffsetSpec.latest(), within_s)  # type: ignore[no-untyped-call]


def _offsets(admin: Any, partitions: Iterable[TopicPartition], spec: OffsetSpec, within_s: float) -> Offsets:
    asked = {confluent_kafka.TopicPartition(topic, number): spec for topic, number in partitions}
    answers = admin.list_offsets(asked, request_timeout=within_s) if asked else {}
    return {(one.topic, one.partition): answer.result(within_s).offset for one, answer in answers.items()}


def _newest(kafka: Kafka, starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int], within_s: float) -> list[Message]:
    """Return what lies from `starts` to `ends`, or what of it came in time."""
    seen: list[Message] = []
    deadline = Deadline(within_s)
    with kafka.reader() as reader, suppress(TransportError):
        bounds = {one: (starts[one], ends[one]) for one in starts}
        for messages in reader.between(bounds, silent_s=within_s, stop=lambda: deadline.passed):
            seen += messages
    return seen


def _facts(
    name: str, partitions: list[TopicPartition], low: Mapping[TopicPartition, int], high: Mapping[TopicPartition, int], seen: list[Message]
) -> TopicFacts:
    own = [message for message in seen if message.topic() == name]
    return TopicFacts(
        name=name,
        partitions=len(partitions),
        messages=sum(high[one] - low[one] for one in partitions),
        newest_ms=max((message.timestamp()[1] for message in own), default=None),
        schemas=tuple(sorted({kind_of(message.value() or b"") for message in own})),
    )
