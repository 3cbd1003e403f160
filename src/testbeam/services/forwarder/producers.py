"""How do PV updates get to Kafka? One producer for life: streams come and go, it stays."""

from collections.abc import Callable
from typing import Any

from confluent_kafka import Producer

from testbeam.services.forwarder.addresses import Address
from testbeam.transport.kafka.client import Kafka

_OPTIONS = {
    "delivery_report_only_error": True,
    # A topic that is missing costs its own messages after 5 s, and is found within 5 s of its creation.
    "topic_metadata_propagation_max_ms": 5000,
    "topic_metadata_refresh_interval_ms": 5000,
    "reconnect_backoff_max_ms": 100,
}


def data_producer(address: Address, *, queue_messages: int, queue_megabytes: int, on_failure: Callable[[Any, Any], None]) -> Producer:
    """Return a producer whose queue is bounded; `on_failure(error, message)` is told of each message that was given up."""
    options = {**dict(address.security), "on_delivery": on_failure}
    return Kafka(bootstrap=address.bootstrap, options=options).producer(
        queue_buffering_max_messages=queue_messages,
        queue_buffering_max_kbytes=1024 * queue_megabytes,
        **_OPTIONS,
    )
