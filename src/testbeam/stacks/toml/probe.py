"""Probe from a `ready` table, `{probe = "port", port = "web"}`; a list of them asks that all be ready."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from testbeam.kit import template
from testbeam.kit.probes.all_of import all_of
from testbeam.kit.probes.command import CommandSucceeds
from testbeam.kit.probes.file import FileExists
from testbeam.kit.probes.http import HttpAnswers
from testbeam.kit.probes.listening import PortListens
from testbeam.kit.probes.log_line import LogLine
from testbeam.kit.probes.process import ProcessAlive
from testbeam.kit.spec import Probe
from testbeam.stacks.toml.fitting import fit, kind, made
from testbeam.stacks.toml.key import Key, Wrong, at, item


def _kafka() -> type[Probe]:
    from testbeam.stacks.roles.broker.declaration import MetadataAnswers  # late: only stacks with such a service need its protocol

    return MetadataAnswers


def _ca() -> type[Probe]:
    from testbeam.stacks.probes.ca_answers import CaAnswers

    return CaAnswers


def _heartbeat() -> type[Probe]:
    from testbeam.stacks.probes.heartbeat import Heartbeat

    return Heartbeat


def _topic() -> type[Probe]:
    from testbeam.stacks.probes.topic_grows import TopicGrows

    return TopicGrows


PROBES: dict[str, Callable[[], type[Probe]]] = {
    "process": lambda: ProcessAlive,
    "port": lambda: PortListens,
    "http": lambda: HttpAnswers,
    "log": lambda: LogLine,
    "file": lambda: FileExists,
    "command": lambda: CommandSucceeds,
    "kafka": _kafka,
    "ca": _ca,
    "topic": _topic,
    "heartbeat": _heartbeat,
}


def probe(value: Any, key: Key, here: Path) -> Probe:
    """Return the probe that a `ready` value describes.

    Raises:
        Wrong: it is no such table, names no probe that there is, or has a key which that probe does not know.
    """
    if isinstance(value, list):
        if not value:
            raise Wrong(key, 'the list is empty; give tables such as {probe = "port", port = "web"}, or leave it out')
        return all_of(*(probe(one, item(key, index), here) for index, one in enumerate(value)))
    if not isinstance(value, dict) or "probe" not in value:
        what = "the key probe is missing" if isinstance(value, dict) else f"{value!r} is {kind(value)}"
        raise Wrong(key, f'{what}; give a table such as {{probe = "port", port = "web"}}; there are {", ".join(PROBES)}')
    name = fit(value["probe"], str, (*key, "probe"), here)
    if name not in PROBES:
        raise Wrong((*key, "probe"), f"{name!r} is no probe; {template.near(name, PROBES)}")
    values = {word: one for word, one in value.items() if word != "probe"}
    with at(key):  # a pattern that is none, or a count below 1
        ready: Probe = made(PROBES[name](), values, key, here)
    return ready
