"""Fingerprint of a stack: a hash of its portable form, so that equal declarations are known again in any process.

What a service is prepared with is left out: a broker that has yet to be fetched is the same service as the one that was.
"""

import hashlib
import json
import signal
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from testbeam._version import __version__
from testbeam.hosting.service_json import encode_service
from testbeam.kit.stack import Stack

Form: TypeAlias = Mapping[str, Any]

_LEFT_OUT = ("prepare",)
_NOT_SHOWN = ("files", "env")  # values that may be passwords
_LONGEST = 60


def fingerprint(stack: Stack) -> str:
    """Return 16 hexadecimal digits made of all that the stack declares, whatever the order of its services, and of our version.

    Raises:
        StackError: a service holds a value that no other process could know to be the same, such as a lambda or an open file.
    """
    forms = {service.name: _form(encode_service(service)) for service in stack.services}
    return hashlib.sha256(json.dumps([__version__, forms], sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def differences(stack: Stack, other: Mapping[str, Form]) -> list[str]:
    """Return in words, a service each, how the portable forms of another stack's services, by name, differ from this declaration."""
    own = {service.name: _form(encode_service(service)) for service in stack.services}
    theirs = {name: _form(form) for name, form in other.items()}
    words = [f"it has no service {name!r}" for name in own if name not in theirs]
    words += [f"it has a service {name!r} more" for name in theirs if name not in own]
    for name in own:
        there = theirs.get(name, own[name])
        fields = [next(_first(own[name][field], there.get(field), field)) for field in own[name] if own[name][field] != there.get(field)]
        words += [f"service {name!r}: {', '.join(fields)}"] if fields else []
    return words


def _form(encoded: Form) -> dict[str, Any]:
    return {field: _normal(value) for field, value in encoded.items() if field not in _LEFT_OUT}


def _normal(value: Any) -> Any:
    """Return a value with 30.0 as 30, SIGTERM as 15, and tuples as lists."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_normal(one) for one in value]
    if isinstance(value, Mapping):
        if value.get("$") == "tuple":
            return _normal(value["of"])
        if value.get("$") == "enum" and str(value.get("type", "")).startswith("signal"):
            return int(signal.Signals[value["name"]])
        return {key: _normal(one) for key, one in value.items()}
    return value


def _first(own: Any, other: Any, path: str) -> Iterator[str]:
    """Yield where two forms differ first, and how."""
    if isinstance(own, Mapping) and isinstance(other, Mapping):
        for key in (*own, *(key for key in other if key not in own)):
            if own.get(key) != other.get(key):
                yield from _first(own.get(key), other.get(key), f"{path} {key}")
    elif isinstance(own, list) and isinstance(other, list):
        for index, (mine, theirs) in enumerate(zip(own, other, strict=False)):
            if mine != theirs:
                yield from _first(mine, theirs, f"{path}[{index}]")
        yield f"{path} has {len(other)} entries, and {len(own)} here"
    elif path.partition(" ")[0] in _NOT_SHOWN:
        yield f"{path} differs"
    else:
        yield f"{path} is {_shown(other)}, and {_shown(own)} here"


def _shown(value: Any) -> str:
    return f"{value!r:.{_LONGEST}}"
