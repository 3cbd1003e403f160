"""JSON form of a service's declaration, in which it goes to another process of the same user; code is given by its importable name.

Nothing is pickled: what arrives can name functions and classes of installed modules, and hold plain values, no more.
"""

import base64
import dataclasses
import functools
import inspect
import sys
from collections.abc import Mapping, Set
from enum import Enum
from importlib import import_module
from pathlib import Path, PurePath
from typing import Any

from testbeam.errors import StackError
from testbeam.kit.spec import Service

_TAG = "$"  # an object with this key is one of the forms below


def encode_service(service: Service) -> dict[str, Any]:
    """Return a service as what JSON can hold.

    Raises:
        StackError: it holds a lambda, a function within a function, or another value that has no name to import it by.
    """
    where = f"service {service.name!r}"
    return {field.name: _encode(getattr(service, field.name), f"{where} {field.name}") for field in dataclasses.fields(service)}


def decode_service(data: Mapping[str, Any]) -> Service:
    """Return the service that `encode_service` wrote.

    Raises:
        StackError: it is none, or names code that can't be imported here.
    """
    known = {field.name for field in dataclasses.fields(Service)}
    if "name" not in data or not set(data) <= known:
        raise StackError(f"not a declaration of a service: it has {', '.join(sorted(data))[:200]}")
    try:
        return Service(**{name: _decode(value) for name, value in data.items()})
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise StackError(f"service {data['name']!r:.60}: its declaration can't be used: {error}") from error


def _encode(value: Any, where: str) -> Any:
    if isinstance(value, Enum):
        return {_TAG: "enum", "type": _name(type(value), where), "name": value.name}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return {_TAG: "bytes", "base64": base64.b64encode(value).decode()}
    if isinstance(value, PurePath):
        return {_TAG: "path", "path": str(value)}
    if isinstance(value, list):
        return [_encode(one, where) for one in value]
    if isinstance(value, tuple):
        return {_TAG: "tuple", "of": [_encode(one, where) for one in value]}
    if isinstance(value, Set):
        return {_TAG: "set", "of": [_encode(one, where) for one in sorted(value, key=repr)]}
    if isinstance(value, Mapping):
        return _encode_mapping(value, where)
    return _encode_object(value, where)


def _encode_mapping(value: Mapping[Any, Any], where: str) -> Any:
    if all(isinstance(key, str) for key in value) and _TAG not in value:
        return {key: _encode(one, f"{where} {key}") for key, one in value.items()}
    return {_TAG: "mapping", "of": [[_encode(key, where), _encode(one, where)] for key, one in value.items()]}


def _encode_object(value: Any, where: str) -> Any:
    if isinstance(value, functools.partial):
        return {
            _TAG: "partial",
            "call": _encode(value.func, where),
            "args": _encode(list(value.args), where),
            "kwargs": _encode(value.keywords, where),
        }
    if isinstance(value, type) or inspect.isroutine(value):
        return {_TAG: "name", "at": _name(value, where)}
    if dataclasses.is_dataclass(value):
        held = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
        return {_TAG: "object", "type": _name(type(value), where), "fields": _encode(held, where)}
    if type(value).__init__ is object.__init__ and getattr(value, "__dict__", None) == {}:  # a probe without any settings
        return {_TAG: "object", "type": _name(type(value), where), "fields": {}}
    raise StackError(f"{where} holds {value!r:.80}, which can't be told to another process; declare it by plain values or dataclasses")


def _name(value: Any, where: str) -> str:
    module, path = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    found: Any = sys.modules.get(module or "")
    for part in path.split("."):
        found = getattr(found, part, None)
    if module in (None, "__main__") or found is not value:
        raise StackError(
            f"{where} holds {value!r:.80}, which another process can't import; define it at the top level of a module that it can"
        )
    return f"{module}:{path}"


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(one) for one in value]
    if not isinstance(value, dict):
        return value
    form = value.get(_TAG)
    if form is None:
        return {key: _decode(one) for key, one in value.items()}
    if form not in _FORMS:
        raise ValueError(f"no such form: {form!r:.60}")
    return _FORMS[form](value)


def _object(value: Any) -> Any:
    cls = _imported(value["type"])
    if not isinstance(cls, type) or (value["fields"] and not dataclasses.is_dataclass(cls)):
        raise TypeError(f"{value['type']} is no dataclass")
    return cls(**_decode(value["fields"]))


def _imported(at: str) -> Any:
    module, _, path = at.partition(":")
    try:
        found: Any = import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise StackError(f"{at} can't be imported here: {error}") from error
    return found


_FORMS = {
    "enum": lambda value: _imported(value["type"])[value["name"]],
    "bytes": lambda value: base64.b64decode(value["base64"]),
    "path": lambda value: Path(value["path"]),
    "tuple": lambda value: tuple(map(_decode, value["of"])),
    "set": lambda value: frozenset(map(_decode, value["of"])),
    "mapping": lambda value: {_decode(key): _decode(one) for key, one in value["of"]},
    "partial": lambda value: functools.partial(_decode(value["call"]), *_decode(value["args"]), **_decode(value["kwargs"])),
    "name": lambda value: _imported(value["at"]),
    "object": _object,
}
