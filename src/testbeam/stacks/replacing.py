"""Replacement of a role of a stack by a developer's own build, by any command line, or by a service that runs already."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from testbeam.errors import SettingsError, StackError
from testbeam.kit import template
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack
from testbeam.stacks.replacements import any_role, paths
from testbeam.stacks.roles import registry

Kind: TypeAlias = Literal["local_build", "command", "external"]
KINDS: tuple[Kind, ...] = ("local_build", "command", "external")
_FORMS: dict[Kind, str] = {"local_build": "ROLE=PATH", "command": 'ROLE="PROGRAM OPTIONS…"', "external": "ROLE=HOST:PORT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """What takes the place of a role, or of the one service of that name; `value` is a path, a command line, or HOST:PORT."""

    role: str
    kind: Kind
    value: str


def parse_replacements(
    local_build: Iterable[str] = (), command: Iterable[str] = (), external: Iterable[str] = (), *, role: str = "", prefix: str = "--"
) -> tuple[Replacement, ...]:
    """Return what the words of `--local-build`, `--command` and `--external` ask for, `ROLE=VALUE` each.

    role: where a command is about one role, as `verify ROLE`, a VALUE alone is for that one. prefix: how the caller's options begin.

    Raises:
        SettingsError: a word is not of that form, or a role is given twice.
    """
    given: list[tuple[Kind, str]] = [
        *(("local_build", word) for word in local_build),
        *(("command", word) for word in command),
        *(("external", word) for word in external),
    ]
    found: dict[str, Replacement] = {}
    for kind, word in given:
        option = f"{prefix}{kind.replace('_', '-')}"
        one = _parse(option, kind, word, role)
        if one.role in found:
            raise SettingsError(option, word, f"{one.role} only once; it is given to {found[one.role].value!r} already")
        found[one.role] = one
    return tuple(found.values())


def apply(stack: Stack, replacements: Iterable[Replacement], here: Path | None = None) -> Stack:
    """Return the stack with all of these replaced, brokers first: what works with an external Kafka is checked against the broker.

    Raises:
        StackError: as `replaced`.
    """
    brokers = {one.name for one in stack.services if one.role == "broker"} | {"broker"}
    for one in sorted(replacements, key=lambda one: one.role not in brokers):
        value: dict[str, Any] = {one.kind: one.value}
        stack = replaced(stack, one.role, here=here, **value)
    return stack


def replaced(
    stack: Stack,
    role: str,
    *,
    local_build: Path | str | None = None,
    command: str | Sequence[str] | None = None,
    external: str | None = None,
    here: Path | None = None,
) -> Stack:
    """Return the stack with a developer's own build, command line or running service in a role.

    role: a role, or the name of one service. local_build: a path, in the form that the role has (docs/how-to/test-your-own-build.md).
    command: the command line, as text or words. external: HOST:PORT. here: where relative paths begin (default: the current folder).

    Raises:
        StackError: the stack has no such role, or what takes its place is not there or not of the right form.
    """
    here = Path.cwd() if here is None else here
    services = _services(stack, role)
    given = [kind for kind, value in zip(KINDS, (local_build, command, external), strict=True) if value is not None]
    if len(given) != 1:
        raise StackError(f"role {role!r}: give one of {', '.join(KINDS)}; got {', '.join(given) or 'none'}")
    new = [_replace(one, here, local_build, command, external) if one in services else one for one in stack.services]
    for service in new:
        _check_same_kafka(service, new)
    return Stack(*new)


def _replace(
    service: Service, here: Path, local_build: Path | str | None, command: str | Sequence[str] | None, external: str | None
) -> Service:
    role = registry.find(service.role) if service.role else None
    rules = role.replacement if role is not None else any_role
    try:
        if local_build is not None:
            return rules.local_build(service, here / Path(local_build).expanduser())
        if command is not None:
            return rules.command(service, paths.words(_words(command), here))
        return rules.external(service, external or "")
    except StackError as error:
        raise StackError(f"{service.role or 'service'} {service.name!r}: {error}") from None


def _services(stack: Stack, role: str) -> tuple[Service, ...]:
    """Return the service of this name, or all of this role."""
    found = tuple(one for one in stack.services if one.name == role) or tuple(one for one in stack.services if one.role == role)
    if not found:
        known = {one.name for one in stack.services} | {one.role for one in stack.services if one.role}
        raise StackError(f"there is no role or service {role!r} in this stack; {template.near(role, known)}")
    return found


def _words(command: str | Sequence[str]) -> Sequence[str]:
    if not isinstance(command, str):
        return command
    try:
        return shlex.split(command)
    except ValueError as error:
        raise StackError(f"the command {command!r} can't be read: {error}; quote it as a shell wants it") from None


def _check_same_kafka(service: Service, services: Sequence[Service]) -> None:
    """Refuse a file-writer that works with another Kafka than the rest of the stack: nothing would ever reach it."""
    if not service.external or service.role == "broker" or "kafka" not in service.endpoints:
        return
    for broker in (one for one in services if one.name in service.needs and one.role == "broker"):
        if broker.endpoints.get("kafka") != service.endpoints["kafka"]:
            where = service.endpoints["kafka"]
            raise StackError(
                f"{service.role} {service.name!r} works with the Kafka at {where}, and the stack with another; "
                f"give that to the stack, too: --external {broker.name}={where}"
            )


def _parse(option: str, kind: Kind, word: str, role: str) -> Replacement:
    name, equals, value = word.partition("=")
    if role and name != role:
        name, equals, value = role, "=", word
    if not equals or not name.strip() or not value.strip():
        raise SettingsError(option, word, f"it as {_FORMS[kind]}")
    return Replacement(role=name.strip(), kind=kind, value=value.strip())
