"""Which streams are there, by which numbers, and what do commands change about that?"""

from dataclasses import dataclass, field, replace

from testbeam.model.forwarding import ForwarderCommand, StreamSpec
from testbeam.services.forwarder.repeats import Repeats
from testbeam.services.forwarder.serialisers.registry import SERIALISERS
from testbeam.services.forwarder.stream import Message, Stream, Topic
from testbeam.services.forwarder.streams import change


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a command did: streams that are new or gone, each with its number, and (stream, reason) for those refused."""

    added: tuple[tuple[int, StreamSpec], ...]
    removed: tuple[tuple[int, StreamSpec], ...]
    refused: tuple[tuple[StreamSpec, str], ...]


@dataclass(slots=True)
class StreamSet:
    """All streams of a forwarder. Their numbers are never used twice: a late update of one that is gone finds nobody."""

    repeats: Repeats | None = None
    by_number: dict[int, Stream] = field(default_factory=dict)
    _numbers: dict[StreamSpec, int] = field(default_factory=dict)
    _topics: dict[str, Topic] = field(default_factory=dict)
    _next: int = 1

    @property
    def specs(self) -> tuple[StreamSpec, ...]:
        """Return all streams, in the order in which they were added."""
        return tuple(self._numbers)

    @property
    def ever_used(self) -> bool:
        """Return whether there ever was a stream."""
        return self._next > 1

    def apply(self, command: ForwarderCommand) -> Applied:
        """Change the set. A stream whose `periodic` alone changes goes on under its number: its value is not sent again.

        Not where repeats begin by it: they need the value, which a new subscription brings.
        """
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

    def outgoing(self) -> list[tuple[str, list[Message]]]:
        """Return the messages that wait, by topic and in order, and forget them."""
        return [(topic.name, topic.take()) for topic in self._topics.values() if topic.messages]

    def _add(self, spec: StreamSpec) -> int:
        number, self._next = self._next, self._next + 1
        topic = self._topics.setdefault(spec.topic, Topic(spec.topic))
        stream = self.by_number[number] = Stream(number, spec, topic)
        stream.repeats = self._repeats(spec)
        self._numbers[spec] = number
        return number

    def _remove(self, spec: StreamSpec) -> int:
        number = self._numbers.pop(spec)
        del self.by_number[number]
        if self.repeats is not None:
            self.repeats.removed(number)
        return number

    def _set_periodic(self, old: StreamSpec, new: StreamSpec) -> None:
        number = self._numbers[new] = self._numbers.pop(old)
        stream = self.by_number[number]
        stream.spec, stream.repeats = new, self._repeats(new)
        if self.repeats is not None and not stream.repeats:
            self.repeats.removed(number)

    def _repeats(self, spec: StreamSpec) -> bool:
        return self.repeats is not None and spec.periodic != 0
