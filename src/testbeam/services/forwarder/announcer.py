"""How do the forwarder's own messages (status, stored streams) get to Kafka? Apart from the data: a full queue must not silence them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from confluent_kafka import KafkaException, Producer

from testbeam.runtime import clock
from testbeam.runtime.counters import Drops
from testbeam.services.forwarder.addresses import Address
from testbeam.services.forwarder.problems import Problems
from testbeam.transport.kafka.client import FOR_NEW_TOPICS

_OPTIONS = {
    "linger_ms": 0,
    "enable_idempotence": False,  # a new broker makes an idempotent producer wait 0.5 s for its number
    "max_in_flight_requests_per_connection": 1,  # which keeps the order all the same
    **FOR_NEW_TOPICS,  # the first status is what makes a stack ready
    "queue_buffering_max_messages": 1000,
    "topic_metadata_propagation_max_ms": 5000,
    "topic_metadata_refresh_interval_ms": 5000,
}


@dataclass(slots=True)
class Announcer:
    """Sends own messages, one producer for each cluster; `heard` are the topics on which Kafka has acknowledged one."""

    drops: Drops
    problems: Problems
    key: bytes
    heard: set[str] = field(default_factory=set)
    _producers: dict[Any, Producer] = field(default_factory=dict)

    def connect(self, address: Address) -> None:
        """Begin to connect, ahead of the first message."""
        self._producer(address)

    def say(self, address: Address, payload: bytes) -> None:
        """Send a message to the topic of `address`, in order with those before it; if it is lost that is counted."""
        delivered: Callable[..., None] = partial(self._delivered, address.topic)
        try:
            self._producer(address).produce(address.topic, payload, self.key, on_delivery=delivered, timestamp=clock.wall_ms())
        except BufferError:
            self._lost(address.topic, "Kafka takes no more")
        except KafkaException as error:
            self._lost(address.topic, error.args[0].str())

    def serve(self) -> None:
        """Take in what Kafka acknowledged; never waits."""
        for producer in self._producers.values():
            producer.poll(0)

    def flush(self, within_s: float) -> int:
        """Wait for all messages to be acknowledged; return how many are not."""
        return sum(producer.flush(within_s) for producer in self._producers.values())

    def _producer(self, address: Address) -> Producer:
        if address.cluster not in self._producers:
            self._producers[address.cluster] = address.kafka.producer(**_OPTIONS)
        return self._producers[address.cluster]

    def _delivered(self, topic: str, error: Any, _message: object) -> None:
        if error is None:
            self.heard.add(topic)
        else:
            self._lost(topic, error.str())

    def _lost(self, topic: str, reason: str) -> None:
        self.problems.note(f"topic {topic!r}: {reason}")
        self.drops.add(f"own message not delivered: {reason}", f"to {topic}")
