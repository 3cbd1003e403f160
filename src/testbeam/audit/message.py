"""Message of the audit, with the place it was read from."""

from typing import NamedTuple


class Message(NamedTuple):
    """One message as Kafka has it; `payload` None is a message without a value, `kafka_ms` its Kafka time since 1970."""

    topic: str
    partition: int
    offset: int
    payload: bytes | None
    kafka_ms: int
