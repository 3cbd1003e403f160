"""Status publisher: a service's own messages (status, answers, stored streams) to Kafka, apart from its data.

A producer of its own: a data queue that is full must not silence the service.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

from confluent_kafka import KafkaException

from testbeam.runtime import clock
from testbeam.runtime.counters import Drops
from testbeam.transport.kafka.client import FOR_NEW_TOPICS, Kafka

NOT_DELIVERED = "own message not delivered"

_PRODUCER = {
    "linger_ms": 0,
    "enable_idempotence": False,  # a new broker makes an idempotent producer wait 0.5 s for its number
    "max_in_flight_requests_per_connection": 1,  # which keeps the order all the same
    **FOR_NEW_TOPICS,  # the first status is what makes a stack ready
    "queue_buffering_max_messages": 10_000,
}
_GIVE_UP = {"topic_metadata_propagation_max_ms": 5000, "topic_metadata_refresh_interval_ms": 5000}
_NEVER_GIVE_UP = {"message_timeout_ms": 0}


class _Producer(Protocol):
    """The part of confluent_kafka's that is used here."""

    def produce(self, topic: str, value: bytes, key: bytes, *, timestamp: int, on_delivery: Any) -> None: ...
    def poll(self, timeout: float, /) -> int: ...
    def flush(self, timeout: float, /) -> int: ...
    def __len__(self) -> int: ...


@dataclass(slots=True)
class StatusPublisher:
    """One producer for all own messages of a service on one cluster, which reach a topic in the order in which they were sent.

    `heard` are the topics on which Kafka has acknowledged one. Monotonic seconds come from the caller, and are needed only where `silent_s`
    is asked.
    """

    producer: _Producer
    key: bytes
    drops: Drops
    heard: set[str] = field(default_factory=set)
    _waiting_since_s: float | None = None

    @classmethod
    def on(cls, kafka: Kafka, key: str, drops: Drops, *, gives_up: bool = True) -> "StatusPublisher":
        """Return a publisher on a cluster, which begins to connect; without `gives_up` a message waits for Kafka however long."""
        return cls(kafka.producer(**_PRODUCER | (_GIVE_UP if gives_up else _NEVER_GIVE_UP)), key.encode(), drops)

    def send(self, topic: str, payload: bytes, now_s: float = 0.0, key: bytes | None = None) -> None:
        """Send a message; if it is lost that is counted."""
        try:
            self.producer.produce(topic, payload, key or self.key, timestamp=clock.wall_ms(), on_delivery=self._delivered)
        except BufferError:
            self._lost(topic, "Kafka takes no more")
        except KafkaException as error:
            self._lost(topic, error.args[0].str())
        else:
            if self._waiting_since_s is None:
                self._waiting_since_s = now_s

    def serve(self, now_s: float = 0.0, wait_s: float = 0.0) -> None:
        """Take in what Kafka acknowledged."""
        if self.producer.poll(wait_s):
            self._waiting_since_s = now_s if len(self.producer) else None

    def silent_s(self, now_s: float) -> float:
        """Return for how long Kafka has owed an acknowledgement."""
        return 0.0 if self._waiting_since_s is None else now_s - self._waiting_since_s

    @property
    def is_waiting(self) -> bool:
        """Tell whether Kafka owes an acknowledgement."""
        return self._waiting_since_s is not None

    def close(self, within_s: float) -> None:
        """Give the last messages some time to arrive; those that do not are counted."""
        left = self.producer.flush(within_s)
        if left:
            self.drops.add("own message not delivered before the end", f"Kafka did not acknowledge it within {within_s} s", left)

    def _delivered(self, error: Any, message: Any) -> None:
        if error is None:
            self.heard.add(message.topic())
        else:
            self._lost(message.topic(), error.str())

    def _lost(self, topic: str, reason: str) -> None:
        self.drops.add(f"{NOT_DELIVERED}: {reason}", f"to {topic}")
