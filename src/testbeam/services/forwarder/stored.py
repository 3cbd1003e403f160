"""Which streams did the forwarder have when it last wrote them down?

Source: docs/reference/contracts/forwarder.md, "Storage".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from testbeam.errors import WireError
from testbeam.model.forwarding import ConfigChange, ForwarderCommand, StreamSpec
from testbeam.transport.kafka.client import Kafka, Reader
from testbeam.wire.flatbuffers.schemas.forwarder_command_fc00 import decode_fc00, encode_fc00

_ONE_LOOK = 50  # messages; the newest is nearly always valid


def to_store(streams: Sequence[StreamSpec]) -> bytes:
    """Return the message that stands for these streams."""
    change = ConfigChange.ADD if streams else ConfigChange.REMOVEALL
    return encode_fc00(ForwarderCommand(change=change, streams=tuple(streams)))


def from_store(payload: bytes | None) -> tuple[StreamSpec, ...] | None:
    """Return the streams that a stored message stands for, or None if it is not one."""
    try:
        command = decode_fc00(payload or b"")
    except WireError:
        return None
    if command.change is ConfigChange.ADD:
        return command.streams
    return () if command.change is ConfigChange.REMOVEALL else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the storage topic holds: the streams of its newest valid message, None if it has none; `invalid` counts those passed over."""

    streams: tuple[StreamSpec, ...] | None
    invalid: int


def restore(kafka: Kafka, topic: str, within_s: float) -> Found:
    """Read the storage topic from its end backwards until a valid message is found; each question is answered `within_s` or not at all.

    Raises:
        TopicMissing: there is no such topic.
        TransportError: the broker did not answer in time.
    """
    invalid = 0
    with kafka.reader() as reader:
        ends = reader.watermarks(topic, within_s)
        ahead = {p: high for p, (low, high) in ends.items() if high > low}
        while ahead:
            starts = {p: max(ends[p][0], high - _ONE_LOOK) for p, high in ahead.items()}
            for message in sorted(_read_between(reader, topic, starts, ahead, within_s), key=_age, reverse=True):
                streams = from_store(message.value())
                if streams is not None:
                    return Found(streams=streams, invalid=invalid)
                invalid += 1
            ahead = {p: start for p, start in starts.items() if start > ends[p][0]}
    return Found(streams=None, invalid=invalid)


def _age(message: Any) -> tuple[int, int]:
    return message.timestamp()[1], message.offset()


def _read_between(reader: Reader, topic: str, starts: Mapping[int, int], ends: Mapping[int, int], within_s: float) -> list[Any]:
    """Return the messages of each partition from its start up to, not including, its end; compaction may have left fewer."""
    bounds = {(topic, partition): (start, ends[partition]) for partition, start in starts.items()}
    return [message for messages in reader.between(bounds, silent_s=within_s) for message in messages]
