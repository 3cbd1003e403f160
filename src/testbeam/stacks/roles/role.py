"""Role: declaration, handle, topics and replacement rules of one part of a beamline, checked when it is made."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from inspect import Parameter
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from testbeam.errors import StackError
from testbeam.kit.handle import Handle
from testbeam.kit.spec import Service
from testbeam.stacks.replacements import any_role

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TOPIC_SUFFIX = re.compile(r"[a-zA-Z0-9._-]+")
_REQUIRED_KINDS = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class Replacement(Protocol):
    """How a service of a role is given to another program; a module with these three functions will do.

    Each returns the service with the other program in it, and raises StackError for what is not there or not of the right form.
    """

    def local_build(self, service: Service, path: Path, /) -> Service:
        """Return the service run from a developer's build at `path` (absolute)."""

    def command(self, service: Service, words: tuple[str, ...], /) -> Service:
        """Return the service run by this command line; templates such as `${broker.kafka}` may stand in it."""

    def external(self, service: Service, where: str, /) -> Service:
        """Return the service as one that runs at `where` already, `HOST:PORT` in most roles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One role. Another package offers its own by an entry point of the group `testbeam.roles` that names such an object.

    declare: returns a Service; takes `name`, and what the role's table in a testbeam.toml may say. handle: what users hold of a
    running service. topics: parameter of `declare` → what its topic is called after the stack's prefix, such as
    `{"speed_topic": "chopper_speed"}`; the service lists them in `options["topics"]`, and the broker that it needs creates them.
    replacement: the rules for a local build, a command line, and a service that runs elsewhere.

    Raises:
        StackError: something of it does not fit; says what and how it has to be.
    """

    name: str
    declare: Callable[..., Service]
    handle: type[Handle] = Handle
    topics: Mapping[str, str] = field(default_factory=dict)
    replacement: Replacement = any_role

    def __post_init__(self) -> None:
        for trouble in _troubles(self):
            raise StackError(f"role {self.name!r}: {trouble}")
        object.__setattr__(self, "topics", MappingProxyType(dict(self.topics)))

    def topic_arguments(self, prefix: str) -> dict[str, str]:
        """Return the topics of a service of this role in a stack with this prefix, by the parameters that take them."""
        return {parameter: f"{prefix}_{suffix}" for parameter, suffix in self.topics.items()}


def _troubles(role: Any) -> Iterator[str]:
    """Yield what does not fit, whatever types the author gave."""
    if not isinstance(role.name, str) or not _NAME.fullmatch(role.name):
        yield "a name is lower-case letters, digits and '_'"
    if not callable(role.declare):
        yield f"declare is {_kind(role.declare)}, and has to be a function that returns a testbeam.Service"
    else:
        yield from _trouble_of_parameters(_parameters(role.declare), role.topics)
    if not (isinstance(role.handle, type) and issubclass(role.handle, Handle)):
        yield f"handle is {_shown(role.handle)}, and has to be a class derived from testbeam.Handle"
    for word in ("local_build", "command", "external"):
        yield from _trouble_of_rule(word, getattr(role.replacement, word, None))


def _trouble_of_parameters(parameters: Mapping[str, Parameter], topics: Any) -> Iterator[str]:
    takes_any = any(one.kind is Parameter.VAR_KEYWORD for one in parameters.values())
    if "name" not in parameters and not takes_any:
        yield f"declare takes {', '.join(parameters) or 'nothing'}; it has to take name, which each service of a stack is given"
    if not isinstance(topics, Mapping):
        yield f"topics is {_kind(topics)}, and has to be a table of parameter and what the topic is called after the prefix"
        return
    for parameter, suffix in topics.items():
        if parameter not in parameters and not takes_any:
            yield f"topics names the parameter {parameter!r}, which declare does not take (but: {', '.join(parameters)})"
        if not isinstance(suffix, str) or not _TOPIC_SUFFIX.fullmatch(suffix):
            yield f"topics calls that of {parameter!r} {suffix!r}; a topic is letters, digits, '.', '_' and '-'"


def _trouble_of_rule(word: str, rule: Any) -> Iterator[str]:
    if not callable(rule):
        yield f"replacement has no function {word}; give local_build(service, path), command(service, words), external(service, where)"
        return
    required = [one for one in _parameters(rule).values() if one.default is Parameter.empty and one.kind in _REQUIRED_KINDS]
    takes_more = any(one.kind is Parameter.VAR_POSITIONAL for one in _parameters(rule).values())
    if len(required) != 2 and not takes_more:
        yield f"replacement.{word} takes {len(required)} arguments, and has to take two: the service, and what replaces it"


def _parameters(function: Callable[..., Any]) -> Mapping[str, Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # of a built-in one that has none
        return {"arguments": Parameter("arguments", Parameter.VAR_POSITIONAL), "named": Parameter("named", Parameter.VAR_KEYWORD)}


def _kind(value: Any) -> str:
    return type(value).__name__


def _shown(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else _kind(value)
