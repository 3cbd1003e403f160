"""Kafka sender: what becomes of messages that Kafka does not take.

The producer's queue is bounded, and nothing here waits. Of each stream the newest value, alarm, connection state and unit must reach
Kafka in the end, whatever happens: one that found the queue full, or that was given up (timed out, its topic missing), is sent again,
and again, until it arrives or a newer one stands in for it. Only what a newer one replaced is lost, and is counted.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException

from testbeam.model.message_rows import MessageRows
from testbeam.runtime.counters import Drops
from testbeam.services.forwarder.addresses import Address
from testbeam.services.forwarder.status import Problems
from testbeam.services.forwarder.stream_table import Message, StreamTable
from testbeam.transport.kafka.client import Kafka

QUEUE_FULL = "Kafka took too long: a newer one replaced it"

_TRY_AGAIN_S = 0.5
_ANY_PARTITION = -1
_MOST_FORGOTTEN_TOPICS = 500
_QUEUE_FULL = KafkaError._QUEUE_FULL  # noqa: SLF001 — the name the library gives it
_OPTIONS = {
    # A topic that is missing costs its own messages after 3 s, and is found within 2 s of its creation.
    "topic_metadata_propagation_max_ms": 3000,
    "topic_metadata_refresh_interval_ms": 2000,
    "reconnect_backoff_max_ms": 100,
}
# Trying again with the same message would fail again.
_FOR_GOOD = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG, KafkaError.INVALID_MSG_SIZE, KafkaError.INVALID_TIMESTAMP}


class Producer(Protocol):
    """The part of confluent_kafka's that is used here; arguments by place, which cost half as much."""

    def produce(self, topic: str, value: bytes, key: bytes, partition: int, on_delivery: None, callback: None, timestamp: int, /) -> None:
        """Queue a message; raise BufferError when the queue is full, KafkaException when it can't be sent."""

    def produce_rows(self, topic: str, rows: MessageRows, /) -> tuple[int, KafkaError | None]:
        """Queue messages of one layout; return how many were queued, and why the next one was not."""

    def poll(self, timeout: float, /) -> int:
        """Report failures."""

    def flush(self, timeout: float, /) -> int:
        """Wait until the queue is empty; return how many are still in it."""

    def purge(self) -> None:
        """Give up all that waits."""

    def close(self) -> None:
        """Leave."""

    def __len__(self) -> int: ...


OpenProducer = Callable[[Callable[[Any, Any], None]], Producer]
"""Return a producer that tells of each message that was given up, as (error, message)."""


def open_producer(address: Address, *, queue_messages: int, queue_megabytes: int) -> OpenProducer:
    """Return what makes producers for the data, with a bounded queue."""

    def open_one(on_failure: Callable[[Any, Any], None]) -> Producer:
        kafka = Kafka(bootstrap=address.bootstrap, options=dict(address.security))
        producer: Producer = kafka.batch_producer(
            on_failure,
            queue_buffering_max_messages=queue_messages,
            queue_buffering_max_kbytes=1024 * queue_megabytes,
            **_OPTIONS,
        )
        return producer

    return open_one


@dataclass(slots=True)
class KafkaSender:
    """Hands messages to a producer, one for life unless it fails for good; monotonic seconds come from the caller."""

    open: OpenProducer
    table: StreamTable
    drops: Drops
    problems: Problems
    _producer: Producer = field(init=False)
    _again_s: float = 0.0
    _topics: set[str] = field(default_factory=set)  # that this producer has ever been given
    _failed_for_good: bool = False

    def __post_init__(self) -> None:
        self._producer = self.open(self.delivered)

    def send(self, outgoing: Iterable[tuple[str, list[Message | MessageRows]]], now_s: float) -> None:
        """Produce what is to be sent again, then the messages of each topic; never waits."""
        self._producer.poll(0)
        if self._failed_for_good:
            self._renew("it failed for good")
        if self.table.unsent and now_s >= self._again_s:
            self._send_again(now_s)
        for topic, messages in outgoing:
            self._topics.add(topic)
            self._send(topic, messages, now_s)
        if len(self._topics) > _MOST_FORGOTTEN_TOPICS + 2 * len(self.table.topics) and not len(self._producer):
            self._renew("it remembers too many topics that are gone")

    def delivered(self, error: Any, message: Any) -> None:
        """Take in that a message was given up after it was queued; the producer's delivery call-back for failures."""
        if error is None:
            return
        if error.fatal():
            self._failed_for_good = True
        topic, reason, key = message.topic(), str(error.str()), message.key() or b""
        self.problems.note(f"topic {topic!r}: {reason}")
        if error.code() in _FOR_GOOD or not self.table.mark_unsent(topic, key, message.value() or b""):
            self._drop(reason, topic, key)

    @property
    def waiting(self) -> int:
        """Return how many messages Kafka has not acknowledged."""
        return len(self._producer) + len(self.table.unsent)

    def finish(self, within_s: float, reason: str) -> None:
        """Wait for Kafka to have all messages; those that it has not confirmed in time are counted as dropped."""
        left, waited = self._producer.flush(within_s), 0
        while not left and len(self.table.unsent) != waited:  # as long as some find room, and Kafka takes them
            waited = len(self.table.unsent)
            self._send_again(0.0)
            left = self._producer.flush(within_s)
        if left or self.table.unsent:
            self.drops.add(reason, f"Kafka has not confirmed them within {within_s:g} s", left + len(self.table.unsent))
        self.table.unsent.clear()
        self._producer.close()

    def _send(self, topic: str, messages: Sequence[Message | MessageRows], now_s: float) -> None:
        produce, unsent = self._producer.produce, self.table.unsent
        for n, message in enumerate(messages):
            if isinstance(message, MessageRows):
                left = self._send_rows(topic, message, now_s)
                if len(left):
                    self._hold(topic, _one_by_one([left, *messages[n + 1 :]]))
                    return
                continue
            key, payload, timestamp_ms = message
            try:
                produce(topic, payload, key, _ANY_PARTITION, None, None, timestamp_ms)
            except BufferError:
                self._hold(topic, _one_by_one(messages[n:]))
                return
            except KafkaException as error:
                self._refused(error.args[0], topic, key, payload, now_s)
                continue
            if unsent:
                self._replaced(topic, key, payload)

    def _send_rows(self, topic: str, rows: MessageRows, now_s: float) -> MessageRows:
        """Produce messages of one layout; return those for which there was no room."""
        while len(rows):
            count, error = self._producer.produce_rows(topic, rows)
            if self.table.unsent:
                for key, payload, _ in rows.of(slice(count)).messages():
                    self._replaced(topic, key, payload)
            rows = rows.of(slice(count, None))
            if error is None or error.code() == _QUEUE_FULL:
                break
            ((key, payload, _),) = rows.of(slice(1)).messages()
            self._refused(error, topic, key, payload, now_s)
            rows = rows.of(slice(1, None))
        return rows

    def _send_again(self, now_s: float) -> None:
        """Send the newest message of each stream that Kafka has not got, as far as there is room."""
        self._again_s = now_s + _TRY_AGAIN_S
        for (number, kind), unsent in tuple(self.table.unsent.items()):
            message, stream = self.table.newest_of(number, kind), self.table.by_number.get(number)
            if message is None or stream is None:
                self.table.unsent.pop((number, kind), None)
                continue
            key, payload, timestamp_ms = message
            if payload != unsent:
                continue  # the newer one is among those of this round, and stands in for it there
            try:
                self._producer.produce(stream.spec.topic, payload, key, _ANY_PARTITION, None, None, timestamp_ms)
            except BufferError:
                self._again_s = now_s  # as soon as there is room
                return
            except KafkaException as error:
                self.problems.note(f"topic {stream.spec.topic!r}: {error.args[0].str()}")
                continue
            del self.table.unsent[number, kind]

    def _hold(self, topic: str, messages: Iterable[Message]) -> None:
        """Keep the newest of messages that find no room to be sent later; count the others."""
        for key, payload, _ in messages:
            if self.table.is_newest(topic, key, payload):
                self._replaced(topic, key, payload)
                self.table.mark_unsent(topic, key, payload)
            else:
                self.drops.add(QUEUE_FULL, f"{key.decode(errors='replace')} to {topic}")

    def _replaced(self, topic: str, key: bytes, payload: bytes) -> None:
        """Count an older message that waited to be sent again where a newer one of its kind has just been queued."""
        for _ in self.table.take_unsent(topic, key, payload):
            self.drops.add(QUEUE_FULL, f"{key.decode(errors='replace')} to {topic}")

    def _refused(self, error: Any, topic: str, key: bytes, payload: bytes, now_s: float) -> None:
        if error.fatal():
            self._failed_for_good = True
        reason = str(error.str())
        self.problems.note(f"topic {topic!r}: {reason}")
        if self.table.is_newest(topic, key, payload):
            self._replaced(topic, key, payload)
        if error.code() in _FOR_GOOD or not self.table.mark_unsent(topic, key, payload):
            self._drop(reason, topic, key)
        else:
            self._again_s = max(self._again_s, now_s + _TRY_AGAIN_S)

    def _renew(self, why: str) -> None:
        """Take another producer; what the old one still has fails, and is sent again by the new one."""
        self.problems.note(f"another Kafka producer: {why}")
        old, self._producer = self._producer, self.open(self.delivered)
        self._topics.clear()
        self._failed_for_good = False
        old.purge()
        old.poll(0)
        old.close()

    def _drop(self, reason: str, topic: str, key: bytes) -> None:
        self.drops.add(f"not delivered: {reason}", f"{key.decode(errors='replace')} to {topic}")


def _one_by_one(messages: Iterable[Message | MessageRows]) -> Iterator[Message]:
    for message in messages:
        if isinstance(message, MessageRows):
            yield from message.messages()
        else:
            yield message
