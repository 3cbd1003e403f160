"""What a declaration is known by: equal declarations, in any process, have the same fingerprint.

What a service is prepared with is left out: a broker that has yet to be fetched is the same service as the one that was.
"""

import dataclasses
import functools
import hashlib
import inspect
from collections.abc import Iterator, Mapping, Set
from enum import Enum
from pathlib import PurePath
from typing import Any

from testbeam._version import __version__
from testbeam.errors import StackError
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack

_LEFT_OUT = ("prepare",)
_PLAIN = (str, bool, bytes, type(None))


def fingerprint(stack: Stack) -> str:
    """Return 16 hexadecimal digits made of all that the stack declares, whatever the order of its services, and of our version.

    Raises:
        StackError: a service holds a value that no other process could know to be the same, such as an open file.
    """
    digest = hashlib.sha256(__version__.encode())
    for service in sorted(stack.services, key=lambda one: one.name):
        for part in _service(service):
            digest.update(part.encode("utf-8", "surrogatepass"))
            digest.update(b"\0")
    return digest.hexdigest()[:16]


def _service(service: Service) -> Iterator[str]:
    for field in dataclasses.fields(service):
        if field.name not in _LEFT_OUT:
            yield field.name
            yield from _parts(getattr(service, field.name), f"service {service.name!r} {field.name}")


def _parts(value: Any, where: str) -> Iterator[str]:
    """Yield a value as texts, each kind marked so that two different values never give the same."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield f"number {int(value) if isinstance(value, int) or value.is_integer() else value!r}"  # SIGTERM is 15, and 30.0 is 30
    elif isinstance(value, Enum):
        yield f"enum {_name(type(value))}.{value.name}"
    elif isinstance(value, _PLAIN):
        yield f"{type(value).__name__} {value!r}"
    elif isinstance(value, PurePath):
        yield f"path {value}"
    elif isinstance(value, Mapping):
        yield f"table {len(value)}"
        for key in sorted(value, key=repr):
            yield from _parts(key, where)
            yield from _parts(value[key], where)
    elif isinstance(value, Set):
        yield from _all(sorted(value, key=repr), "set", where)
    elif isinstance(value, list | tuple):
        yield from _all(value, "list", where)
    else:
        yield from _object(value, where)


def _all(values: Any, kind: str, where: str) -> Iterator[str]:
    yield f"{kind} {len(values)}"
    for one in values:
        yield from _parts(one, where)


def _object(value: Any, where: str) -> Iterator[str]:
    """Yield a class or function by its name and place, any other object by its class and what it holds."""
    if isinstance(value, functools.partial):
        yield "partial"
        yield from _parts((value.func, value.args, value.keywords), where)
    elif isinstance(value, type) or inspect.isfunction(value) or inspect.isbuiltin(value):
        yield f"name {_name(value)}{_line(value)}"
    elif inspect.ismethod(value):
        yield from _parts((value.__func__, value.__self__), where)
    elif dataclasses.is_dataclass(value):
        yield f"object {_name(type(value))}"
        yield from _parts({field.name: getattr(value, field.name) for field in dataclasses.fields(value)}, where)
    elif hasattr(value, "__dict__") and type(value).__module__ != "_io":
        yield f"object {_name(type(value))}"
        yield from _parts(vars(value), where)
    else:
        raise StackError(f"{where} holds {value!r:.80}, which another process can't know again; declare it by plain values or dataclasses")


def _name(value: Any) -> str:
    return f"{value.__module__}:{value.__qualname__}"


def _line(value: Any) -> str:
    """Tell apart functions of one name, such as lambdas, by the line that they begin at."""
    code = getattr(value, "__code__", None)
    local = "<" in value.__qualname__
    return f" {code.co_firstlineno}" if code is not None and local else ""
