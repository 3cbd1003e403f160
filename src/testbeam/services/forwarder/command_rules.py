"""Rules of commands: which streams one adds, removes, or has refused.

Source: docs/reference/contracts/forwarder.md, "Commands".
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from testbeam.model.forwarding import ConfigChange, ForwarderCommand, StreamSpec

_LONGEST_NAME = 500  # bytes; one that does not fit into a datagram would keep pvxs from searching for all others
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
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
    wanted = tuple(patterns)
    refused = tuple((p, "a REMOVE needs a name, topic or schema; REMOVEALL removes all") for p in wanted if _is_empty(p))
    removed = tuple(spec for spec in current if any(_matches(spec, p) for p in wanted if not _is_empty(p)))
    return Change(removed=removed, refused=refused)


def _is_empty(pattern: StreamSpec) -> bool:
    return not (pattern.channel or pattern.topic or pattern.schema)


def _matches(spec: StreamSpec, pattern: StreamSpec) -> bool:
    return (
        (not pattern.channel or fnmatchcase(spec.channel, pattern.channel))
        and (not pattern.topic or fnmatchcase(spec.topic, pattern.topic))
        and (not pattern.schema or spec.schema == pattern.schema)
    )


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
