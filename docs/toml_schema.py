"""JSON schema of a testbeam.toml, for editors, made from what reads such a file; `python docs/toml_schema.py` writes it anew."""

import collections.abc
import dataclasses
import inspect
import json
import signal
import types
import typing
from collections.abc import Mapping
from inspect import Parameter
from pathlib import Path
from typing import Any

from testbeam.kit.containers.engine_commands import Container
from testbeam.kit.spec import Port
from testbeam.stacks.replacing import KINDS
from testbeam.stacks.roles import registry
from testbeam.stacks.toml import parts
from testbeam.stacks.toml.probe import PROBES
from testbeam.stacks.toml.stack import _STACK_KEYS as STACK_KEYS
from testbeam.wire.kafka.requests import TopicSpec  # noqa: F401  annotations name it

FILE = Path(__file__).parent / "reference" / "testbeam.schema.json"
SCALARS: dict[Any, str] = {str: "string", Path: "string", bool: "boolean", int: "integer", float: "number"}
TABLES = (dict, Mapping, collections.abc.Mapping, collections.abc.MutableMapping)
LISTS = (list, tuple, collections.abc.Iterable, collections.abc.Sequence, collections.abc.Collection)
TEXT = {"type": "string"}


def schema() -> dict[str, Any]:
    """Return the whole schema, JSON Schema 2020-12."""
    names = registry.names()
    chosen = [
        {"if": {"properties": {"role": {"const": name}}, "required": ["role"]}, "then": {"$ref": f"#/$defs/role_{name}"}} for name in names
    ]
    without = {"if": {"not": {"required": ["role"]}}, "then": {"$ref": "#/$defs/plain"}}
    service = {"type": "object", "properties": {"role": {"type": "string", "examples": list(names)}}, "allOf": [*chosen, without]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "testbeam.toml",
        **_object(
            {
                "stack": _object({word: of(hint) for word, hint in STACK_KEYS.items()}),
                "services": {"type": "object", "minProperties": 1, "additionalProperties": {"$ref": "#/$defs/service"}},
                "env_names": {"type": "object", "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}, "additionalProperties": TEXT},
            },
            required=["services"],
        ),
        "$defs": {"service": service, "plain": _plain(), "probe": _probe(), **{f"role_{name}": _role(name) for name in names}},
    }


def text() -> str:
    """Return the file's text."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def of(hint: Any) -> dict[str, Any]:
    """Return the schema of what an annotation takes; an empty one where a TOML value can't be checked against it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        kinds = [of(one) for one in arguments if one is not types.NoneType]
        unique = [one for index, one in enumerate(kinds) if one not in kinds[:index]]
        return unique[0] if len(unique) == 1 else {} if {} in unique else {"anyOf": unique}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if (origin or hint) in TABLES:
        return {"type": "object", "additionalProperties": of(arguments[1]) if len(arguments) == 2 else {}}
    if (origin or hint) in LISTS:
        return {"type": "array", "items": of(arguments[0]) if arguments else {}}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _of_dataclass(hint)
    return {"type": SCALARS[hint]} if hint in SCALARS else {}


def _of_dataclass(kind: type[Any], more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    hints, fields = typing.get_type_hints(kind), dataclasses.fields(kind)
    needed = [one.name for one in fields if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING]
    return _object({**(more or {}), **{one.name: of(hints[one.name]) for one in fields}}, required=[*(more or {}), *needed])


def _object(properties: Mapping[str, Any], required: typing.Sequence[str] = ()) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**found, "required": list(required)} if required else found


def _field(name: str) -> dict[str, Any]:
    probe = {"$ref": "#/$defs/probe"}
    special: dict[str, dict[str, Any]] = {
        "ready": probe,
        "alive": probe,
        "ports": {"type": "array", "items": {"anyOf": [TEXT, of(Port)]}},
        "stop_signal": {"enum": [one.name for one in signal.Signals if not one.name.startswith("SIGRT")]},
    }
    hint = parts.FIELDS[name]
    return special.get(name) or {**of(hint), **({"exclusiveMinimum": 0} if hint is float else {})}


def _plain() -> dict[str, Any]:
    container = {"anyOf": [TEXT, of(Container)]}
    found = _object({**{name: _field(name) for name in parts.FIELDS}, "container": container})
    return {**found, "anyOf": [{"required": [word]} for word in ("command", "container", "external")]}


def _probe() -> dict[str, Any]:
    tables = [_of_dataclass(one(), {"probe": {"const": name}}) for name, one in PROBES.items()]
    return {"anyOf": [*tables, {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/probe"}}]}


def _role(name: str) -> dict[str, Any]:
    declare = registry.role(name).declare
    hints, parameters = typing.get_type_hints(declare), inspect.signature(declare).parameters
    keys = {
        word: _parameter(one, hints.get(word, Any))
        for word, one in parameters.items()
        if word != "name" and one.kind is not Parameter.VAR_KEYWORD
    }
    keys.update({word: _field(word) for word in parts.OF_ANY_ROLE if word not in keys})
    replaced = {"local_build": TEXT, "command": of(str | tuple[str, ...]), "external": TEXT}
    open_ended = any(one.kind is Parameter.VAR_KEYWORD for one in parameters.values())
    found = _object({**keys, **{word: replaced[word] for word in KINDS}, "role": {"const": name}}, required=["role"])
    return {**found, "additionalProperties": True} if open_ended else found


def _parameter(one: Parameter, hint: Any) -> dict[str, Any]:
    return {"type": "array", "items": of(hint)} if one.kind is Parameter.VAR_POSITIONAL else of(hint)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
