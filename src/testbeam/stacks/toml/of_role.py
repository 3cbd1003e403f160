"""Service from a table with `role = "…"`: its keys are the parameters of the role."""

import inspect
import types
import typing
from collections.abc import Mapping
from inspect import Parameter
from pathlib import Path
from typing import Any

from testbeam.kit import template
from testbeam.kit.spec import Service
from testbeam.stacks.replacing import KINDS
from testbeam.stacks.roles import registry
from testbeam.stacks.roles.role import Role
from testbeam.stacks.toml import parts
from testbeam.stacks.toml.fitting import expected, fit
from testbeam.stacks.toml.key import Key, Wrong, at

_READ_ELSEWHERE = ("role", *KINDS)  # which role it is, and what is put in its place


def service_of_role(name: str, table: Mapping[str, Any], key: Key, here: Path, prefix: str, topics: tuple[Any, ...]) -> Service:
    """Return the service that a role makes of its table; its topics begin with `prefix` unless the table names them.

    topics: those that a broker has besides.

    Raises:
        Wrong: there is no such role, it has no such parameter, or a value is not of the parameter's kind.
    """
    role_name = fit(table["role"], str, (*key, "role"), here)
    with at((*key, "role")):
        role = registry.role(role_name)
    values = {word: value for word, value in table.items() if word not in _READ_ELSEWHERE}
    parameters = _parameters(role)
    on_top = {word: values.pop(word) for word in parts.OF_ANY_ROLE if word in values and word not in parameters}
    arguments = _arguments(values, role, parameters, prefix, key, here)
    if topics and role_name == "broker":
        arguments["topics"] = (*topics, *arguments.get("topics", ()))
    with at(key):
        made = registry.make(role, name, *_listed(arguments, parameters), **_named(arguments, parameters))
    return parts.on_top(made, {word: parts.field(word, value, (*key, word), here) for word, value in on_top.items()})


def _parameters(role: Role) -> dict[str, Parameter]:
    return {name: one for name, one in inspect.signature(role.declare).parameters.items() if name != "name"}


def _hints(role: Role) -> dict[str, Any]:
    try:
        return typing.get_type_hints(role.declare)
    except NameError:  # annotations that only a type checker can read
        return {}


def _arguments(
    values: Mapping[str, Any], role: Role, parameters: Mapping[str, Parameter], prefix: str, key: Key, here: Path
) -> dict[str, Any]:
    hints = _hints(role)
    takes_any = any(one.kind is Parameter.VAR_KEYWORD for one in parameters.values())
    known = [*(one for one in parameters if one not in KINDS), *parts.OF_ANY_ROLE, *KINDS]
    arguments: dict[str, Any] = {**role.topic_arguments(prefix)}
    for word, value in values.items():
        if not takes_any and word not in parameters:
            raise Wrong((*key, word), f"the role has no such parameter; {template.near(word, known)}")
        hint: Any = hints.get(word, Any)
        if word in parameters and parameters[word].kind is Parameter.VAR_POSITIONAL:
            hint = types.GenericAlias(tuple, (hint, ...))
        arguments[word] = fit(value, hint, (*key, word), here)
    for word, one in parameters.items():
        if one.default is Parameter.empty and word not in arguments and one.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            raise Wrong(key, f"the role needs {word}; give {expected(hints.get(word, Any))}")
    return arguments


def _listed(arguments: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> tuple[Any, ...]:
    """Return the values of a parameter such as `*db_files`."""
    return next((arguments.get(word, ()) for word, one in parameters.items() if one.kind is Parameter.VAR_POSITIONAL), ())


def _named(arguments: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    listed = {word for word, one in parameters.items() if one.kind is Parameter.VAR_POSITIONAL}
    return {word: value for word, value in arguments.items() if word not in listed}
