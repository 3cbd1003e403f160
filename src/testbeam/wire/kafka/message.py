"""Kafka message, apart from what its payload says."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

Headers: TypeAlias = Sequence[tuple[str, bytes | None]]

TIMESTAMP_TYPES = ("none", "CreateTime", "LogAppendTime")  # as Kafka numbers them in its clients


class KafkaMessage(NamedTuple):
    """One message as it lies on Kafka; a tuple rather than a dataclass, as recordings make millions of them."""

    topic: str
    partition: int
    offset: int
    timestamp_type: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def place(self) -> str:
        """Return where it lies in its topic, `partition@offset`."""
        return f"{self.partition}@{self.offset}"

    @property
    def timestamp_kind(self) -> str:
        """Return what its timestamp means: the producer's time (CreateTime) or the broker's (LogAppendTime)."""
        return TIMESTAMP_TYPES[self.timestamp_type] if 0 <= self.timestamp_type < len(TIMESTAMP_TYPES) else "unknown"
