"""What the audit reads: a message with the place it was read from."""

from typing import NamedTuple


class Message(NamedTuple):
    """One message as Kafka has it; `payload` None is a message without a value."""

    topic: str
    partition: int
    offset: int
    payload: bytes | None
