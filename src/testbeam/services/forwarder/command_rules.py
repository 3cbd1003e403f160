"""Rules of commands: which streams one adds, removes, or has refused.

Source: docs/reference/contracts/forwarder.md, "Commands".
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fnmatch import translate
from itertools import product

from testbeam.model.forwarding import ConfigChange, ForwarderCommand, StreamSpec

_LONGEST_NAME = 500  # bytes; one that does not fit into a datagram would keep pvxs from searching for all others
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_LONGEST_PATTERN = 2 * _LONGEST_NAME
_MOST_WILD = 100  # of one command: each is tried on every stream, some 0.5 µs
_MAGIC = re.compile(r"[*?[]")
_SHOWN = 80  # characters of a foreign text that is told


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a command does to the set, and what it asks for that can't be done, with the reason."""

    added: tuple[StreamSpec, ...] = ()
    removed: tuple[StreamSpec, ...] = ()
    refused: tuple[tuple[StreamSpec, str], ...] = ()


def change(current: Collection[StreamSpec], command: ForwarderCommand, schemas: Collection[str]) -> Change:
    """Return what `command` does to the `current` streams; a bad stream is refused by itself. `schemas` are those that can be sent.

    REPLACE is a difference: what is in both sets goes on undisturbed, so no value or alarm is repeated.
    """
    if command.change is ConfigChange.REMOVEALL:
        return Change(removed=tuple(current))
    if command.change is ConfigChange.REMOVE:
        return _remove(current, command.streams)
    refused = tuple((spec, reason) for spec in command.streams if (reason := _fault(spec, schemas)))
    good = dict.fromkeys(spec for spec in command.streams if not _fault(spec, schemas))
    added = tuple(spec for spec in good if spec not in current)
    replaces = command.change is ConfigChange.REPLACE and (good or not command.streams)  # nothing but bad ones is no wish for none
    removed = tuple(spec for spec in current if spec not in good) if replaces else ()
    return Change(added=added, removed=removed, refused=refused)


def _remove(current: Iterable[StreamSpec], patterns: Iterable[StreamSpec]) -> Change:
    """Remove what matches. Names as they are cost a look-up, however many there are; only wildcards are tried one after the other."""
    exact: set[tuple[str, str, str]] = set()
    wild: list[_Wild] = []
    refused = []
    for pattern in patterns:
        if reason := _fault_of_pattern(pattern, len(wild)):
            refused.append((pattern, reason))
        elif _is_wild(pattern):
            wild.append(_Wild(_regex(pattern.channel), _regex(pattern.topic), pattern.schema))
        else:
            exact.add((pattern.channel, pattern.topic, pattern.schema))
    removed = tuple(spec for spec in current if _is_named(spec, exact) or any(one.matches(spec) for one in wild))
    return Change(removed=removed, refused=tuple(refused))


@dataclass(frozen=True, slots=True)
class _Wild:
    """A pattern with wildcards, translated once: fnmatch keeps few translations, and each takes a hundred times as long as a match."""

    channel: re.Pattern[str]
    topic: re.Pattern[str]
    schema: str

    def matches(self, spec: StreamSpec) -> bool:
        if self.schema and spec.schema != self.schema:
            return False
        return bool(self.channel.match(spec.channel) and self.topic.match(spec.topic))


def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern or "*"))


def _is_wild(pattern: StreamSpec) -> bool:
    return bool(_MAGIC.search(pattern.channel) or _MAGIC.search(pattern.topic))


def _is_named(spec: StreamSpec, exact: Collection[tuple[str, str, str]]) -> bool:
    """Tell whether one of the names stands for a stream; an empty field stands for any."""
    return bool(exact) and any(one in exact for one in product((spec.channel, ""), (spec.topic, ""), (spec.schema, "")))


def _fault_of_pattern(pattern: StreamSpec, wild: int) -> str | None:
    if not (pattern.channel or pattern.topic or pattern.schema):
        return "a REMOVE needs a name, topic or schema; REMOVEALL removes all"
    if max(len(pattern.channel), len(pattern.topic)) > _LONGEST_PATTERN:
        return "it is longer than any name"
    if wild >= _MOST_WILD and _is_wild(pattern):
        return f"more than {_MOST_WILD} patterns with wildcards in one command"
    return None


def _fault(spec: StreamSpec, schemas: Collection[str]) -> str | None:
    missing = [name for name in ("channel", "topic", "schema") if not getattr(spec, name)]
    if missing:
        return f"has no {' and no '.join(missing)}"
    if not spec.channel.isprintable() or len(spec.channel.encode()) > _LONGEST_NAME:
        return f"{spec.channel[:_SHOWN]!r} can't be the name of a PV"
    if not _TOPIC.fullmatch(spec.topic):
        return f"{spec.topic[:_SHOWN]!r} can't be the name of a topic"
    if spec.schema not in schemas:
        return f"schema {spec.schema[:_SHOWN]!r} can't be sent; known are {', '.join(sorted(schemas))}"
    return None
