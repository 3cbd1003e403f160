"""How do messages get to Kafka? One producer for each cluster, for life: streams come and go, it stays."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Producer

from testbeam.services.forwarder.addresses import Address
from testbeam.transport.kafka import Kafka

_LIMITS = {
    "delivery_report_only_error": True,
    # A topic that is missing costs its own messages after 5 s, and is found within 5 s of its creation.
    "topic_metadata_propagation_max_ms": 5000,
    "topic_metadata_refresh_interval_ms": 5000,
    "reconnect_backoff_max_ms": 100,
}


@dataclass(slots=True)
class Producers:
    """Producers whose queues are bounded; `on_failure(error, message)` is told of each message that was given up."""

    queue_messages: int
    queue_megabytes: int
    on_failure: Callable[[Any, Any], None]
    _by_cluster: dict[Any, Producer] = field(default_factory=dict)

    def to(self, address: Address) -> Producer:
        """Return the producer of an address' cluster."""
        if address.cluster not in self._by_cluster:
            options = {**dict(address.security), "on_delivery": self.on_failure}
            self._by_cluster[address.cluster] = Kafka(bootstrap=address.bootstrap, options=options).producer(
                queue_buffering_max_messages=self.queue_messages,
                queue_buffering_max_kbytes=1024 * self.queue_megabytes,
                **_LIMITS,
            )
        return self._by_cluster[address.cluster]

    @property
    def waiting(self) -> int:
        """Return how many messages Kafka has not acknowledged."""
        return sum(len(producer) for producer in self._by_cluster.values())

    def serve(self) -> None:
        """Let librdkafka report failures; never waits."""
        for producer in self._by_cluster.values():
            producer.poll(0)

    def flush(self, within_s: float) -> int:
        """Wait for all messages to be acknowledged; return how many are not."""
        return sum(producer.flush(within_s) for producer in self._by_cluster.values())
