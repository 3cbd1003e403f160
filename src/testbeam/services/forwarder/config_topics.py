"""Topics of the configuration: the commands that come, and the streams that are kept for the next start.

The command topic is read by offset, without a group: a group would be joined seconds later, and what was sent before would be lost. Reading
begins at the first command that is not older than the program, so that one sent to a forwarder that is still starting counts as well;
commands are idempotent, so one that is read twice after a reconnect does no harm.
The storage topic is written at each change and read at the start: an fc00 ADD of all streams, or a REMOVEALL where there are none.
Source: docs/reference/contracts/forwarder.md, "Commands", "Storage".
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from testbeam.errors import TopicMissing, TransportError, WireError
from testbeam.model.forwarding import ConfigChange, ForwarderCommand, StreamSpec
from testbeam.services.forwarder.addresses import Address
from testbeam.services.forwarder.status import Problems
from testbeam.transport.kafka.client import Kafka, Reader
from testbeam.wire.flatbuffers.schemas.forwarder_command_fc00 import decode_fc00, encode_fc00

_RETRY_S = 0.02
_PATIENCE_S = 2.0  # for a broker and topics that come up together with the forwarder, before it is called a problem
_ANSWER_S = 1.0  # while Kafka is asked, updates wait
_MOST = 500
_ONE_LOOK = 50  # messages; the newest is nearly always valid


@dataclass(slots=True)
class CommandTopic:
    """Reads the command topic; `ready` once its positions are facts. `since_ms` is Kafka time.

    `beside` is another topic of the cluster: `beside_is_empty` tells whether it had no message before the reading began. A connection
    answers in order, so a question put to it later would wait for the commands that don't come.
    """

    address: Address
    problems: Problems
    since_ms: int
    beside: str = ""
    beside_is_empty: bool = False
    ready: bool = False
    _reader: Reader | None = field(default=None)
    _retry_s: float = float("-inf")
    _trying_since_s: float | None = None

    def look(self, wait_s: float, now_s: float) -> list[bytes]:
        """Return the commands that came, waiting up to `wait_s` for the first; not ready, this tries to become so and does not wait."""
        if not self.ready and now_s >= self._retry_s:
            self._try_assign(now_s)
        if self._reader is None or not self.ready:
            return []
        try:
            messages = self._reader.read(_MOST, wait_s)
        except TransportError as error:
            self._lost(error, now_s)
            return []
        self.since_ms = max([self.since_ms, *(message.timestamp()[1] for message in messages)])
        return [message.value() or b"" for message in messages]

    def close(self) -> None:
        """Leave the broker."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        self.ready = False

    def _try_assign(self, now_s: float) -> None:
        topic = self.address.topic
        try:
            if self._reader is None:
                self._reader = self.address.kafka.reader(reconnect_backoff_max_ms=100)
            starts = self._reader.offsets_at(topic, self.since_ms, _ANSWER_S)
            self._look_beside(self._reader)
            self._reader.assign({(topic, p): offset for p, offset in starts.items()})
            self.ready = True
            self._trying_since_s = None
        except TransportError as error:
            self._lost(error, now_s)

    def _look_beside(self, reader: Reader) -> None:
        if self.beside:
            with suppress(TopicMissing):  # whoever reads it says so
                self.beside_is_empty = all(low == high for low, high in reader.watermarks(self.beside, _ANSWER_S).values())
            self.beside = ""

    def _lost(self, error: TransportError, now_s: float) -> None:
        if self._trying_since_s is None:
            self._trying_since_s = now_s
        elif now_s - self._trying_since_s > _PATIENCE_S:
            self.problems.note(f"no commands can be read yet: {error}")
        self.ready = False
        self._retry_s = now_s + _RETRY_S


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
