"""Stack from the tables of a testbeam.toml: the same one that Python would declare."""

import re
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

from testbeam.errors import StackError
from testbeam.kit import graph, spec, template
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack
from testbeam.stacks.replacing import KINDS, replaced
from testbeam.stacks.roles import registry
from testbeam.stacks.toml import parts
from testbeam.stacks.toml.container import container_service
from testbeam.stacks.toml.fitting import fit, kind
from testbeam.stacks.toml.key import Key, Wrong, at, item
from testbeam.stacks.toml.of_role import service_of_role
from testbeam.wire.kafka.requests import TopicSpec

_TABLES = ("stack", "services", "env_names")
_STACK_KEYS = {"name": str, "prefix": str, "topics": tuple[str | TopicSpec, ...]}
_TOPIC_PREFIX = re.compile(r"[a-zA-Z0-9._-]+")
_INTERPRETER = re.compile(r"(.*/)?(python|pypy|bash|sh|dash|zsh|perl|ruby|node|Rscript)[0-9.]*|\$\{python\}")
_TEXT_FOLLOWS = frozenset({"-c", "-m", "-e"})
_OURS = re.compile(r"\$\$|\$\{(prefix|here)\}")


def parts_of(tables: Mapping[str, Any], here: Path) -> tuple[str, str, Stack]:
    """Return name, topic prefix and stack of a whole file in the folder `here`.

    Raises:
        Wrong: something in it can't be used.
    """
    for word in tables:
        if word not in _TABLES:
            raise Wrong((word,), f"there is no such table; {template.near(word, _TABLES)}")
    for word in _TABLES:
        if not isinstance(tables.get(word, {}), dict):
            raise Wrong((word,), f"{tables[word]!r:.60} is {kind(tables[word])}; give tables, such as [{word}]")
    first = tables.get("stack", {})
    settings = stack_settings(expanded(first, str(first.get("prefix", "")), here), here.name, here)
    services = expanded(tables.get("services", {}), settings["prefix"], here)
    if not services:
        raise Wrong(("services",), 'there is no service; declare one, such as [services.broker] with role = "broker"')
    return settings["name"], settings["prefix"], stack_of(services, settings["prefix"], settings["topics"], here)


def stack_settings(table: Mapping[str, Any], default_name: str, here: Path) -> dict[str, Any]:
    """Return name, prefix and further topics of the `[stack]` table.

    Raises:
        Wrong: a key is unknown or a value can't be used.
    """
    found: dict[str, Any] = {"name": default_name, "prefix": "tb", "topics": ()}
    for word, value in table.items():
        if word in _TABLES:
            raise Wrong(("stack", word), f"this is a table of its own; write [{word}]")
        if word not in _STACK_KEYS:
            raise Wrong(("stack", word), f"there is no such key; {template.near(word, _STACK_KEYS)}")
        found[word] = fit(value, _STACK_KEYS[word], ("stack", word), here)
    if not _TOPIC_PREFIX.fullmatch(found["prefix"]):
        raise Wrong(("stack", "prefix"), f"{found['prefix']!r} can't begin a topic; give letters, digits, '.', '_' and '-'")
    return found


def stack_of(tables: Mapping[str, Any], prefix: str, topics: tuple[Any, ...], here: Path) -> Stack:
    """Return the stack of the `[services.NAME]` tables, each with its replacement, brokers first.

    Raises:
        Wrong: something in one of them can't be used, or they don't fit together.
    """
    services = [_service(name, table, prefix, topics, here) for name, table in tables.items()]
    stack = _checked(services)
    for service in sorted(services, key=lambda one: one.role != "broker"):
        stack = _replaced(stack, service.name, tables[service.name], here)
    return stack


def expanded(value: Any, prefix: str, here: Path) -> Any:
    """Return a value with `${prefix}` and `${here}`, the folder of the file, filled in; other templates are the kit's."""
    if isinstance(value, str):
        return _OURS.sub(lambda match: {"prefix": prefix, "here": str(here)}[match[1]] if match[1] else match[0], value)
    if isinstance(value, list):
        return [expanded(one, prefix, here) for one in value]
    if isinstance(value, dict):
        return {expanded(name, prefix, here): expanded(one, prefix, here) for name, one in value.items()}
    return value


def _service(name: str, table: Any, prefix: str, topics: tuple[Any, ...], here: Path) -> Service:
    key = ("services", name)
    if not isinstance(table, dict):
        raise Wrong(key, f'{table!r} is {kind(table)}; give a table, [services.{name}], with role = "…" or command = […]')
    if "role" in table:
        return service_of_role(name, table, key, here, prefix, topics)
    return _plain(name, table, key, here)


def _plain(name: str, table: Mapping[str, Any], key: Key, here: Path) -> Service:
    """Return a service of any command line, or of a container."""
    for word in table:
        if word not in (*parts.FIELDS, "container"):
            raise Wrong((*key, word), f"there is no such key; {template.near(word, (*parts.FIELDS, 'role', 'container'))}")
    fields = {word: parts.field(word, value, (*key, word), here) for word, value in table.items() if word != "container"}
    if "container" in table:
        return container_service(name, table["container"], fields, key, here)
    if "command" not in fields and not fields.get("external"):
        raise Wrong(key, 'it has neither role = "…", nor command = ["program", "option"], nor container = "image", nor external = true')
    if "command" in fields:
        fields["command"] = _from_here(fields["command"], here)
        if not fields.get("files") and not fields.get("prepare"):
            _check_script(fields["command"], (*key, "command"), here)
    with at(key):
        return Service(name, **fields)


def _from_here(command: tuple[str, ...], here: Path) -> tuple[str, ...]:
    """Return a command whose program, where it is a relative path, is found from the file's folder: a service runs in its own."""
    if not command or "/" not in command[0] or command[0].startswith(("/", "${")):
        return command
    return (str(here / command[0]), *command[1:])


def _check_script(command: tuple[str, ...], key: Key, here: Path) -> None:
    """Refuse an interpreter's script that lies beside the file: it is looked for in the service's own folder, where nothing is yet."""
    if not command or not _INTERPRETER.fullmatch(command[0]):
        return
    words = list(takewhile(lambda word: word.startswith("-"), command[1:]))
    script = next(iter(command[1 + len(words) :]), "")
    if script and not _TEXT_FOLLOWS.intersection(words) and not script.startswith("/") and (here / script).is_file():
        what = "is looked for in the service's own folder, in which it runs, and lies beside this file"
        raise Wrong(item(key, 1 + len(words)), f'{script!r} {what}; write "${{here}}/{script}"')


def _checked(services: list[Service]) -> Stack:
    """Return the stack, or say at which key its services don't fit together."""
    by_name = {service.name: service for service in services}
    for service in services:
        with at(("services", service.name, "needs")):
            _check_roles(service, by_name)
            spec.check_needs(service, by_name)
    try:
        graph.start_order({service.name: service.needs for service in services}).prepare()
    except StackError as error:
        first = re.search(r"circle: (\S+)", str(error))
        raise Wrong(("services", *((first[1], "needs") if first else ())), str(error)) from None
    for service in services:
        with at(("services", service.name)):
            spec.check_templates(service, by_name)
        with at(("services", service.name, "ready")):
            spec.check_probe(service, "ready", by_name)
        with at(("services", service.name, "alive")):
            spec.check_probe(service, "alive", by_name)
    with at(("services",)):
        return Stack(*services)


def _check_roles(service: Service, by_name: Mapping[str, Service]) -> None:
    """Raise StackError where a service needs one that is called as a role is, and the file has none."""
    for need in service.needs:
        if need not in by_name and need in registry.names():
            way_out = f'add it: [services.{need}] with role = "{need}"'
            raise StackError(f"service {service.name!r} needs {need!r}, which is not in the stack; {way_out}")


def _replaced(stack: Stack, name: str, table: Mapping[str, Any], here: Path) -> Stack:
    """Return the stack with what a role's table puts in its place."""
    given = [word for word in KINDS if word in table] if "role" in table else []
    key = ("services", name)
    if len(given) > 1:
        raise Wrong((*key, given[1]), f"{given[0]} is given as well; give one of them")
    for word in given:
        hint: Any = str | tuple[str, ...] if word == "command" else str
        value = fit(table[word], hint, (*key, word), here)
        with at((*key, word)):
            return replaced(stack, name, here=here, **{word: value})
    return stack
