"""What becomes of messages that Kafka does not take?

The producer's own queue is bounded. While it is full, the newest message of each PV and schema is held here, and each older one that it
replaces is counted: nothing grows, nothing blocks, and what goes out stays in order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from confluent_kafka import KafkaException

from testbeam.runtime.counters import Drops
from testbeam.services.forwarder.problems import Problems
from testbeam.services.forwarder.stream import Message

QUEUE_FULL = "Kafka took too long: a newer one replaced it"

_SCHEMA = slice(4, 8)  # of a message's bytes

Slot = tuple[str, bytes, bytes]  # topic, key, schema


class Producer(Protocol):
    """The part of confluent_kafka's that is used here."""

    def produce(self, topic: str, value: bytes, key: bytes, *, timestamp: int) -> None:
        """Queue a message; raise BufferError when the queue is full, KafkaException when it can never be sent."""

    def poll(self, timeout: float, /) -> int:
        """Report failures."""

    def flush(self, timeout: float, /) -> int:
        """Wait until the queue is empty; return how many are still in it."""

    def __len__(self) -> int: ...


@dataclass(slots=True)
class Outbox:
    """Hands messages to a producer; `held` are those that found its queue full."""

    producer: Producer
    drops: Drops
    problems: Problems
    held: dict[Slot, Message] = field(default_factory=dict)

    def send(self, outgoing: Iterable[tuple[str, list[Message]]]) -> None:
        """Produce the messages of each topic, after those held back before; never waits."""
        self.producer.poll(0)
        if self.held:
            self._retry()
        for topic, messages in outgoing:
            self._send(topic, messages)

    def delivered(self, error: Any, message: Any) -> None:
        """Count a message that was given up after it was queued; the producer's delivery call-back for failures."""
        if error is not None:
            self._drop(str(error.str()), message.topic(), message.key())

    @property
    def waiting(self) -> int:
        """Return how many messages Kafka has not acknowledged."""
        return len(self.producer) + len(self.held)

    def finish(self, within_s: float, reason: str) -> None:
        """Wait for Kafka to have all messages; those that it has not in time are counted as dropped."""
        left = self.producer.flush(within_s)
        if not left and self.held:
            self._retry()
            left = self.producer.flush(within_s)
        if left or self.held:
            self.drops.add(reason, n=left + len(self.held))
        self.held.clear()

    def _send(self, topic: str, messages: Sequence[Message]) -> None:
        done = 0 if self.held else self._produce(topic, messages)
        for message in messages[done:]:
            self._hold(topic, message)

    def _produce(self, topic: str, messages: Sequence[Message]) -> int:
        """Return how many were dealt with before the queue was full."""
        produce = self.producer.produce
        for n, (key, payload, timestamp_ms) in enumerate(messages):
            try:
                produce(topic, payload, key, timestamp=timestamp_ms)
            except BufferError:
                return n
            except KafkaException as error:
                self._drop(error.args[0].str(), topic, key)
        return len(messages)

    def _retry(self) -> None:
        held, self.held = self.held, {}
        for (topic, _, _), message in held.items():
            self._send(topic, (message,))

    def _hold(self, topic: str, message: Message) -> None:
        key, payload, _ = message
        slot = (topic, key, payload[_SCHEMA])
        if slot in self.held:
            self.drops.add(QUEUE_FULL, f"{key.decode()} to {topic}")
        self.held[slot] = message

    def _drop(self, reason: str, topic: str, key: bytes | None) -> None:
        self.problems.note(f"topic {topic!r}: {reason}")
        self.drops.add(f"not delivered: {reason}", f"{(key or b'').decode(errors='replace')} to {topic}")
