"""Kafka message as it is inspected, and the filter of those that are asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import Message

from testbeam.errors import WireError
from testbeam.wire.flatbuffers.registry import decode
from testbeam.wire.kafka.message import KafkaMessage
from testbeam.wire.readable.texts import bytes_text
from testbeam.wire.readable.values import source_of


def plain(message: Message) -> KafkaMessage:
    """Return a message of the client library as a plain value."""
    kind, at_ms = message.timestamp()
    headers: Sequence[tuple[str, bytes | None]] = message.headers() or ()  # type: ignore[assignment]
    place = (message.topic() or "", message.partition() or 0, message.offset() or 0)
    return KafkaMessage(*place, kind, at_ms, message.key(), message.value(), headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for: a partition, a key as it is shown, a source name; None asks for nothing."""

    partition: int | None = None
    key: str | None = None
    source: str | None = None

    @property
    def is_all(self) -> bool:
        """Return whether every message of the chosen partitions is wanted."""
        return self.key is None and self.source is None

    def fits(self, message: Message) -> bool:
        """Return whether a message is wanted; junk has no source."""
        if self.key is not None and key_of(message) != self.key:
            return False
        return self.source is None or sender_of(message) == self.source


def key_of(message: Message) -> str:
    """Return a message's key as it is shown."""
    return bytes_text(message.key(), 1 << 20)


def sender_of(message: Message) -> str:
    """Return the source that a message names; "" for junk."""
    try:
        return source_of(decode(message.value() or b""))
    except WireError:
        return ""
