"""Kafka for services and clients: producers, readers that assign (no group), topics; all over confluent-kafka.

Figures behind the defaults: docs/reference/contracts/performance.md, "Kafka client".
"""

import difflib
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import methodcaller
from typing import TYPE_CHECKING, Any

import confluent_kafka
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from confluent_kafka.cimpl import NewTopic

from testbeam.errors import TopicMissing, TransportError
from testbeam.model.deadline import Deadline
from testbeam.model.topic_partition import TopicPartition
from testbeam.transport.kafka.options import of_environment

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

    from testbeam.transport.kafka.batch_producer import BatchProducer, OneByOne

CONFIG_VARIABLE = "TESTBEAM_KAFKA_CONFIG"  # a file of options for every client of a program: log-in, certificates
_log = logging.getLogger(__name__)
_COMMON = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 500, "log.connection.close": False}
_COMMON |= {"log_level": 2}  # else each try to connect to a broker that is not up yet is a line on stderr; callers get errors all the same
# For one that sends little, and sends it first to topics that are just being made: it asks every 50 ms rather than from 100 ms up to 1 s.
FOR_NEW_TOPICS = {
    "topic_metadata_refresh_fast_interval_ms": 20,
    "retry_backoff_ms": 20,
    "retry_backoff_max_ms": 50,
    "reconnect_backoff_max_ms": 50,
}
_PRODUCER = {
    "linger_ms": 5,
    "enable_idempotence": True,
    # A broker that was killed knows the newest batch of each producer only: with two in flight, whose acknowledgements were lost, it
    # takes the repeated first one for out of order, and librdkafka gives the producer up for good.
    "max_in_flight_requests_per_connection": 1,
    "message_max_bytes": 100_000_000,
}
_READER = {
    "group.id": "testbeam-unused",  # librdkafka asks for one even where offsets are assigned and never committed
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
    "check.crcs": True,
    "fetch.queue.backoff.ms": 5,
    "fetch.wait.max.ms": 50,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kafka:
    """One cluster: where it is, and options (librdkafka's own names) such as SASL, over those of the file in TESTBEAM_KAFKA_CONFIG."""

    bootstrap: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def config(self, **more: Any) -> dict[str, Any]:
        """Return librdkafka's configuration; `more` in Python spelling (`linger_ms=5`) wins."""
        named = {key.replace("_", "."): value for key, value in more.items()}
        return {
            **_COMMON,
            **of_environment(os.environ.get(CONFIG_VARIABLE, "")),
            **self.options,
            "bootstrap.servers": self.bootstrap,
            **named,
        }

    def producer_config(self, **more: Any) -> dict[str, Any]:
        """Return the configuration of a producer that keeps order and waits for the broker's acknowledgement."""
        return self.config(**(_PRODUCER | more))

    def producer(self, **more: Any) -> Producer:
        """Return a producer that keeps order and waits for the broker's acknowledgement."""
        return Producer(self.producer_config(**more))

    def batch_producer(self, on_failure: Callable[[KafkaError, Any], None], **more: Any) -> "BatchProducer | OneByOne":
        """Return a producer like that of `producer` which takes whole blocks of messages; (error, message) of each that is given up.

        Raises:
            TransportError: an option is wrong.
        """
        from testbeam.transport.kafka import batch_producer  # late: ctypes and numpy, for programs that produce by the block

        config = self.producer_config(**more)
        if reason := batch_producer.why_not(config):
            _log.warning("messages go to Kafka one by one, at twice the cost each: %s", reason)
            return batch_producer.OneByOne(config, on_failure)
        return batch_producer.BatchProducer(config, on_failure)

    def admin(self) -> "AdminClient":
        """Return an admin client."""
        from confluent_kafka.admin import AdminClient  # late, as most programs have none: 5 ms of CPU

        return AdminClient(self.config())

    def reader(self, **more: Any) -> "Reader":
        """Return a reader without a group."""
        return Reader(Consumer(self.config() | _READER | {k.replace("_", "."): v for k, v in more.items()}), self.bootstrap)


@dataclass(slots=True)
class Reader:
    """Reads partitions it was told to, from offsets it was told."""

    consumer: Consumer
    bootstrap: str
    at_end: set[tuple[str | None, int | None]] = field(default_factory=set)

    def partitions(self, topic: str, within_s: float = 10) -> list[int]:
        """Return the partitions of a topic; raise as `partitions_of`."""
        return self.partitions_of((topic,), within_s)[topic]

    def partitions_of(self, wanted: Iterable[str], within_s: float = 10) -> dict[str, list[int]]:
        """Return the partitions of each of these topics.

        Raises:
            TopicMissing: one is not on the broker; near names are given.
            TransportError: no answer in time.
        """
        try:
            topics = self.consumer.list_topics(timeout=within_s).topics
        except KafkaException as error:
            raise TransportError(f"{self.bootstrap}: no metadata within {within_s} s ({error.args[0].str()}); is the broker up?") from error
        for topic in wanted:
            if topic not in topics:
                raise TopicMissing(topic, self.bootstrap, tuple(difflib.get_close_matches(topic, topics)))
        return {topic: sorted(topics[topic].partitions) for topic in wanted}

    def watermarks(self, topic: str, within_s: float = 10) -> dict[int, tuple[int, int]]:
        """Return (oldest, next) offset of each partition."""
        return {
            p: self._ask(topic, within_s, self.consumer.get_watermark_offsets, confluent_kafka.TopicPartition(topic, p), timeout=within_s)
            for p in self.partitions(topic, within_s)
        }

    def offsets_at(self, topic: str, timestamp_ms: int, within_s: float = 10) -> dict[int, int]:
        """Return, for each partition, the offset of the first message at or after `timestamp_ms`; past the newest, the next offset."""
        ends = self.watermarks(topic, within_s)  # asked first: what is sent between the two questions must not be skipped
        asked = [confluent_kafka.TopicPartition(topic, p, max(timestamp_ms, 0)) for p in ends]
        found = self._ask(topic, within_s, self.consumer.offsets_for_times, asked, timeout=within_s)
        for tp in found:
            if tp.error is not None:
                raise TransportError(f"{self.bootstrap}: {topic}[{tp.partition}]: no offset at {timestamp_ms} ms: {tp.error.str()}")
        return {tp.partition: tp.offset if tp.offset >= 0 else ends[tp.partition][1] for tp in found}

    def assign(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read from now on exactly these (topic, partition) pairs, from these offsets."""
        self.at_end.clear()
        self.consumer.assign([confluent_kafka.TopicPartition(topic, p, offset) for (topic, p), offset in offsets.items()])

    def assign_ends(self, topics: Iterable[str], within_s: float = 10) -> None:
        """Read only what comes from now on. The positions are fixed facts when this returns: nothing sent later is missed."""
        self.assign({(topic, p): high for topic in topics for p, (_low, high) in self.watermarks(topic, within_s).items()})

    def read(self, most: int = 1000, wait_s: float = 0.01) -> Sequence[Message]:
        """Return up to `most` messages, those there within `wait_s`; ends of partitions are kept in `at_end`.

        Raises:
            TransportError: the broker says the partition, its data or our rights are gone; passing faults are librdkafka's to retry.
        """
        messages = self.consumer.consume(most, wait_s)
        if self.at_end or any(map(_error_of, messages)):
            return [message for message in messages if self._is_data(message)]
        return messages

    def _is_data(self, message: Message) -> bool:
        error, place = message.error(), (message.topic(), message.partition())
        if error is None:
            self.at_end.discard(place)
            return True
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 — the name the library gives it
            self.at_end.add(place)
        elif error.fatal() or (not error.retriable() and error.code() not in _PASSING):
            raise TransportError(f"{self.bootstrap}: reading {message.topic()}: {error.str()}")
        return False

    def between(
        self, bounds: Mapping[TopicPartition, tuple[int, int]], *, silent_s: float = 10.0, stop: Callable[[], bool] = lambda: False
    ) -> Iterator[list[Message]]:
        """Yield, as they come, the messages of each (topic, partition) from its first offset up to, not including, its end.

        What comes later than the end is left out, and what compaction or transactions have taken from before it is not waited for.
        stop: asked after each portion; True ends it.

        Raises:
            TransportError: nothing came for `silent_s` although there is more to read; or as `read`.
        """
        ends = {place: end for place, (first, end) in bounds.items() if first < end}
        self.assign({place: bounds[place][0] for place in ends})
        silence = Deadline(silent_s)
        while ends and not stop():
            messages = self.read(_AT_ONCE, _PORTION_S)
            silence = Deadline(silent_s) if messages else silence
            inside = [message for message in messages if (message.offset() or 0) < ends.get(_place(message), 0)]
            for message in messages:
                if (message.offset() or 0) + 1 >= ends.get(_place(message), 0):
                    ends.pop(_place(message), None)
            if inside:
                yield inside
            ends = {place: end for place, end in ends.items() if place not in self.at_end}
            if ends and silence.passed:
                waiting = ", ".join(f"{topic}[{partition}] up to {end}" for (topic, partition), end in sorted(ends.items()))
                raise TransportError(f"{self.bootstrap}: nothing came for {silent_s:g} s, still to be read: {waiting}; is the broker up?")

    def close(self) -> None:
        """Leave; the reader can't be used after."""
        self.consumer.close()

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, topic: str, within_s: float, call: Any, *args: Any, **kwargs: Any) -> Any:
        deadline = Deadline(within_s)
        while True:
            try:
                return call(*args, **kwargs)
            except KafkaException as error:
                if has_no_leader(error) and not deadline.passed:
                    time.sleep(RETRY_S)
                    self.partitions(topic, within_s)  # else the client goes on asking by what it remembers
                    continue
                raise TransportError(f"{self.bootstrap}: {topic}: no answer within {within_s} s ({error.args[0].str()})") from error


_error_of = methodcaller("error")


def _place(message: Message) -> TopicPartition:
    return message.topic() or "", message.partition() or 0


_AT_ONCE = 2000  # messages
_PORTION_S = 0.05

# Of a topic that was just made, or on a broker that has come back; the last one is librdkafka's own word for it.
_NO_LEADER = {KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError._UNKNOWN_PARTITION}  # noqa: SLF001
RETRY_S = 0.02
# A broker that was frozen or starved for 9 s is fenced off until its next heartbeat; one replica needs one broker that is not.
_FENCED = KafkaError.INVALID_REPLICATION_FACTOR
_PASSING = {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._RESOLVE}  # noqa: SLF001
_PASSING |= {KafkaError.GROUP_AUTHORIZATION_FAILED}  # librdkafka asks for the group that it is given and that is not used


def has_no_leader(error: KafkaException) -> bool:
    """Tell whether a partition is just being made, or its broker has just come back: to be asked again."""
    return error.args[0].code() in _NO_LEADER


def _refused_by_fenced_brokers(kafka: Kafka, admin: "AdminClient", topics: list[NewTopic], deadline: Deadline) -> list[NewTopic]:
    """Create topics; return those for which there was no broker at this moment, while there is time to ask again."""
    left_s = max(deadline.left_s, RETRY_S)
    futures = admin.create_topics(topics, operation_timeout=left_s, request_timeout=left_s) if topics else {}
    refused = []
    for topic in topics:
        try:
            futures[topic.topic].result(left_s)
        except KafkaException as error:
            if error.args[0].code() == _FENCED and not deadline.passed:
                refused.append(topic)
            elif error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise TransportError(f"{kafka.bootstrap}: topic {topic.topic!r} was not created: {error.args[0].str()}") from error
    return refused


def create_topics(kafka: Kafka, topics: Mapping[str, int], *, config: Mapping[str, str] | None = None, within_s: float = 10) -> None:
    """Create `topics` (name → number of partitions), those that exist are left as they are, and wait until they can be used.

    Raises:
        TransportError: the broker refused one, or did not answer in time.
    """
    admin = kafka.admin()  # must outlive its futures: an admin that is let go of ends them all
    deadline = Deadline(within_s)
    new = [NewTopic(name, partitions, 1, config=dict(config or {})) for name, partitions in topics.items()]
    while new := _refused_by_fenced_brokers(kafka, admin, new, deadline):
        time.sleep(RETRY_S)
    while waiting := _without_leader(admin, topics, within_s):
        if deadline.passed:
            raise TransportError(f"{kafka.bootstrap}: no leader within {within_s} s for {', '.join(waiting)}; is the broker overloaded?")
        time.sleep(RETRY_S)


def _without_leader(admin: "AdminClient", topics: Iterable[str], within_s: float) -> list[str]:
    known = admin.list_topics(timeout=within_s).topics
    return [name for name in topics if name not in known or any(p.leader < 0 for p in known[name].partitions.values())]
