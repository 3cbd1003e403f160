"""Stream table: all streams of a forwarder by number, what is remembered of each, and how commands change the table."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from testbeam.model.forwarding import ForwarderCommand, StreamSpec
from testbeam.model.message_rows import MessageRows
from testbeam.model.samples import ConnectionState, Severity
from testbeam.model.updates import Form
from testbeam.services.forwarder.command_rules import change
from testbeam.services.forwarder.repeats import Repeats
from testbeam.services.forwarder.serialisers import SERIALISERS, Serialise

Message = tuple[bytes, bytes, int]  # key, payload, Kafka timestamp in ms

NEVER_NS = -1  # before anything was sent
VALUE, ALARM, CONNECTION, UNITS = "value", "alarm", "connection", "units"
"""Kinds of message that a stream sends; of each the newest one must reach Kafka."""

_KINDS = {b"al00": ALARM, b"ep01": CONNECTION, b"un00": UNITS}
_SCHEMA = slice(4, 8)  # of a message's bytes
_FIRST_ROOM = 1024  # numbers for which there is room at first


class Topic:
    """Messages that wait to be handed to Kafka; `number` is its own, `users` counts the streams that send there."""

    __slots__ = ("__weakref__", "messages", "name", "number", "users")

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.messages: list[Message | MessageRows] = []
        self.users = 0

    def take(self) -> list[Message | MessageRows]:
        """Return what waits, in order, and wait for more."""
        taken, self.messages = self.messages, []
        return taken


class Stream:
    """One stream's state; `value_kind` and `serialise` are those of the last value, `newest` the last message of each kind but values."""

    __slots__ = (
        "alarm",
        "alarm_ns",
        "alarms_ahead",
        "connection",
        "connection_ns",
        "key",
        "missed",
        "newest",
        "number",
        "repeats",
        "serialise",
        "spec",
        "told_no_time",
        "topic",
        "units",
        "value_kind",
    )

    def __init__(self, number: int, spec: StreamSpec, topic: Topic) -> None:
        self.number = number
        self.spec = spec
        self.topic = topic
        self.key = spec.channel.encode()
        self.repeats = False
        self.value_kind: tuple[Form, str] | None = None
        self.serialise: Serialise = _not_yet
        self.alarm: tuple[Severity, str] | None = None
        self.alarm_ns = NEVER_NS
        self.alarms_ahead: list[tuple[int, Severity, str]] = []  # of this batch, for schemas that carry the alarm with the value
        self.connection = ConnectionState.NEVER_CONNECTED
        self.connection_ns = NEVER_NS
        self.units: str | None = None
        self.missed = 0  # updates that the serialiser saw to be missing
        self.told_no_time = False
        self.newest: dict[str, Message] = {}

    @property
    def name(self) -> str:
        """Return the source name, which is that of the PV."""
        return self.spec.channel

    def alarm_at(self, timestamp_ns: int) -> tuple[Severity, str]:
        """Return the alarm that the PV had at a time of this batch."""
        found = self.alarm or (Severity.OK, "NO_ALARM")
        for at_ns, severity, message in self.alarms_ahead:
            if at_ns <= timestamp_ns:
                found = severity, message
        return found

    def send(self, kind: str, payload: bytes, timestamp_ms: int) -> None:
        """Add a message that is no value to those of the topic."""
        message = self.newest[kind] = (self.key, payload, timestamp_ms)
        self.topic.messages.append(message)


def _not_yet(_value: object, _timestamp_ns: int) -> bytes:
    raise AssertionError("the kind of value decides on the serialiser before its first use")


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a command did: streams that are new or gone, each with its number, and (stream, reason) for those refused."""

    added: tuple[tuple[int, StreamSpec], ...]
    removed: tuple[tuple[int, StreamSpec], ...]
    refused: tuple[tuple[StreamSpec, str], ...]


@dataclass(slots=True)
class StreamTable:
    """All streams of a forwarder. Their numbers are never used twice: a late update of one that is gone finds nobody.

    By number: `last_ns`, the EPICS time of the last value sent, and `newest`, the last value's message, unless `newest_of_columns` has it.
    `unsent` has, by (number, kind), the payload of a newest message that Kafka has not got and that must be sent again.
    """

    repeats: Repeats | None = None
    by_number: dict[int, Stream] = field(default_factory=dict)
    last_ns: array[int] = field(default_factory=lambda: array("q", [NEVER_NS]) * _FIRST_ROOM)
    newest: dict[int, Message] = field(default_factory=dict)
    newest_of_columns: Callable[[int], Message | None] = lambda _number: None
    unsent: dict[tuple[int, str], bytes] = field(default_factory=dict)
    _numbers: dict[StreamSpec, int] = field(default_factory=dict)
    _topics: dict[str, Topic] = field(default_factory=dict)
    _by_place: dict[tuple[str, bytes], list[Stream]] = field(default_factory=dict)
    _next: int = 1
    _listed: str | None = None  # JSON of the streams for the status, until they change

    @property
    def specs(self) -> tuple[StreamSpec, ...]:
        """Return all streams, in the order in which they were added."""
        return tuple(self._numbers)

    @property
    def ever_used(self) -> bool:
        """Return whether there ever was a stream."""
        return self._next > 1

    @property
    def topics(self) -> tuple[str, ...]:
        """Return the topics that streams send to."""
        return tuple(self._topics)

    def listed(self, as_json: Callable[[Iterable[Stream]], str]) -> str:
        """Return what `as_json` makes of the streams, made anew when they change."""
        if self._listed is None:
            self._listed = as_json(self.by_number.values())
        return self._listed

    def apply(self, command: ForwarderCommand) -> Applied:
        """Change the table. A stream whose `periodic` alone changes goes on under its number: its value is not sent again.

        Not where repeats begin by it: they need the value, which a new subscription brings.
        """
        self._listed = None
        wanted = change(self._numbers.keys(), command, SERIALISERS.keys())
        going = {replace(spec, periodic=0): spec for spec in wanted.removed}
        kept: dict[StreamSpec, StreamSpec] = {}
        for spec in wanted.added:
            old = going.pop(replace(spec, periodic=0), None)
            if old is not None and (self._repeats(old) or not self._repeats(spec)):
                kept[old] = spec
        for old, spec in kept.items():
            self._set_periodic(old, spec)
        removed = tuple((self._remove(spec), spec) for spec in wanted.removed if spec not in kept)
        new = set(kept.values())
        added = tuple((self._add(spec), spec) for spec in wanted.added if spec not in new)
        return Applied(added=added, removed=removed, refused=wanted.refused)

    def outgoing(self) -> list[tuple[str, list[Message | MessageRows]]]:
        """Return the messages that wait, by topic and in order, and forget them."""
        waiting = [topic for topic in self._topics.values() if topic.messages]
        for topic in waiting:
            if not topic.users:
                del self._topics[topic.name]
        return [(topic.name, topic.take()) for topic in waiting]

    def is_newest(self, topic: str, key: bytes, payload: bytes) -> bool:
        """Tell whether a message is the newest of its kind of a stream."""
        return bool(self._streams_with_newest(topic, key, payload))

    def mark_unsent(self, topic: str, key: bytes, payload: bytes) -> bool:
        """Take down that Kafka has not got a message; return False if a newer one stands in for it, so that it is lost for good."""
        found = self._streams_with_newest(topic, key, payload)
        for number, kind in found:
            self.unsent[number, kind] = payload
        return bool(found)

    def _streams_with_newest(self, topic: str, key: bytes, payload: bytes) -> list[tuple[int, str]]:
        kind = _KINDS.get(payload[_SCHEMA], VALUE)
        messages = ((stream.number, self.newest_of(stream.number, kind)) for stream in self._by_place.get((topic, key), ()))
        return [(number, kind) for number, message in messages if message is not None and message[1] == payload]

    def take_unsent(self, topic: str, key: bytes, payload: bytes) -> list[int]:
        """Return the streams for which this message stands in for an older one that was to be sent again, and forget that one."""
        kind = _KINDS.get(payload[_SCHEMA], VALUE)
        found = [stream.number for stream in self._by_place.get((topic, key), ()) if (stream.number, kind) in self.unsent]
        for number in found:
            del self.unsent[number, kind]
        return found

    def newest_of(self, number: int, kind: str) -> Message | None:
        """Return a stream's newest message of a kind."""
        if kind == VALUE:
            return self.newest_of_columns(number) or self.newest.get(number)
        stream = self.by_number.get(number)
        return None if stream is None else stream.newest.get(kind)

    def _add(self, spec: StreamSpec) -> int:
        number, self._next = self._next, self._next + 1
        if number >= len(self.last_ns):
            self.last_ns = self.last_ns + array("q", [NEVER_NS]) * len(self.last_ns)
        topic = self._topics.setdefault(spec.topic, Topic(spec.topic, number))
        topic.users += 1
        stream = self.by_number[number] = Stream(number, spec, topic)
        stream.repeats = self._repeats(spec)
        self._by_place.setdefault((spec.topic, stream.key), []).append(stream)
        self._numbers[spec] = number
        return number

    def _remove(self, spec: StreamSpec) -> int:
        number = self._numbers.pop(spec)
        stream = self.by_number.pop(number)
        self.newest.pop(number, None)
        for kind in (VALUE, ALARM, CONNECTION, UNITS):
            self.unsent.pop((number, kind), None)
        place = spec.topic, stream.key
        self._by_place[place].remove(stream)
        if not self._by_place[place]:
            del self._by_place[place]
        self._leave(stream.topic)
        if self.repeats is not None:
            self.repeats.removed(number)
        return number

    def _leave(self, topic: Topic) -> None:
        """Forget a topic with its last stream; what waits for it is still sent."""
        topic.users -= 1
        if not topic.users and not topic.messages:
            del self._topics[topic.name]

    def _set_periodic(self, old: StreamSpec, new: StreamSpec) -> None:
        number = self._numbers[new] = self._numbers.pop(old)
        stream = self.by_number[number]
        stream.spec, stream.repeats = new, self._repeats(new)
        if self.repeats is not None and not stream.repeats:
            self.repeats.removed(number)

    def _repeats(self, spec: StreamSpec) -> bool:
        return self.repeats is not None and spec.periodic != 0
