"""Storage of the streams for the next start: written to the storage topic at each change, read from it at the start.

Source: docs/reference/contracts/forwarder.md, "Storage": an fc00 ADD of all streams, or a REMOVEALL where there are none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from testbeam.errors import TopicMissing, TransportError, WireError
from testbeam.model.forwarding import ConfigChange, ForwarderCommand, StreamSpec
from testbeam.services.forwarder.addresses import Address
from testbeam.services.forwarder.status import Problems
from testbeam.transport.kafka.client import Kafka
from testbeam.wire.flatbuffers.schemas.forwarder_command_fc00 import decode_fc00, encode_fc00

_ANSWER_S = 1.0
_ONE_LOOK = 50  # messages; the newest is nearly always valid


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """The storage topic; `send` sends a message there."""

    address: Address
    problems: Problems
    send: Callable[[Address, bytes], None]

    def write(self, streams: Sequence[StreamSpec]) -> None:
        """Write all streams; a missing topic shows as a message that could not be delivered, and the next change tries again."""
        self.send(self.address, to_store(streams))

    def read(self) -> tuple[StreamSpec, ...] | None:
        """Return the streams written last, none where the topic is missing or holds none; None if the broker does not answer now."""
        topic = self.address.topic
        try:
            found = restore(self.address.kafka, topic, _ANSWER_S)
        except TopicMissing as error:
            self.problems.note(f"no streams are restored: {error}")
            return ()
        except TransportError as error:
            self.problems.note(f"streams can't be restored yet: {error}")
            return None
        if found.invalid:
            self.problems.note(f"{found.invalid} messages in {topic!r} are no stored streams")
        return found.streams or ()


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
class Stored:
    """What the storage topic holds: the streams of its newest valid message, None if it has none; `invalid` counts those passed over."""

    streams: tuple[StreamSpec, ...] | None
    invalid: int


def restore(kafka: Kafka, topic: str, within_s: float) -> Stored:
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
            found = chain.from_iterable(reader.between({(topic, p): (starts[p], ahead[p]) for p in ahead}, silent_s=within_s))
            for message in sorted(found, key=_age, reverse=True):
                streams = from_store(message.value())
                if streams is not None:
                    return Stored(streams=streams, invalid=invalid)
                invalid += 1
            ahead = {p: start for p, start in starts.items() if start > ends[p][0]}
    return Stored(streams=None, invalid=invalid)


def _age(message: Any) -> tuple[int, int]:
    return message.timestamp()[1], message.offset()
