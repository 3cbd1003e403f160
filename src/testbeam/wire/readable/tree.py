"""Value as JSON: everything in it, or with long arrays and texts shortened."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np

from testbeam.wire.readable.texts import hex_head

_SHORT = 8  # elements at each end of a shortened array
_TEXT = 400  # characters of a shortened text


def dumps(tree: Any) -> str:
    """Return JSON on one line in which nothing can steer a terminal: whatever is not printable is escaped, all else is as it is."""
    text = json.dumps(tree, ensure_ascii=False, allow_nan=False)
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def dumps_lines(tree: Any, indent: str = "") -> str:
    """Return JSON with a line for each key, and lists of numbers and texts in one."""
    inner = f"{indent}  "
    if isinstance(tree, dict) and tree:
        items = [f"{inner}{dumps(key)}: {dumps_lines(value, inner)}" for key, value in tree.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    if isinstance(tree, list) and any(isinstance(item, dict) for item in tree):
        return "[\n" + ",\n".join(f"{inner}{dumps_lines(item, inner)}" for item in tree) + f"\n{indent}]"
    return dumps(tree)


def as_json(value: Any, *, full: bool = False) -> Any:
    """Return a decoded value as what `json.dumps(…, allow_nan=False)` takes.

    An array becomes `{"dtype", "shape", "values"}`; a long one, unless `full`, has `first`, `last`, `min` and `max` instead of
    `values`. A numpy scalar is a number with its `…_dtype` beside it. Numbers JSON has no word for are texts ("nan", "inf").
    """
    if is_dataclass(value) and not isinstance(value, type):
        return _fields(value, full)
    if isinstance(value, np.ndarray) and value.ndim:
        return _array(value, full)
    if isinstance(value, Mapping):
        return {str(key): as_json(item, full=full) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return _sequence(value, full)
    return _scalar(value, full)


def _fields(value: Any, full: bool) -> dict[str, Any]:
    tree = {}
    for spec in fields(value):
        part = getattr(value, spec.name)
        tree[spec.name] = as_json(part, full=full)
        if isinstance(part, np.generic) or (isinstance(part, np.ndarray) and not part.ndim):
            tree[f"{spec.name}_dtype"] = str(part.dtype)
    return tree


def _array(array: np.ndarray[Any, Any], full: bool) -> dict[str, Any]:
    head: dict[str, Any] = {"dtype": str(array.dtype), "shape": list(array.shape)}
    flat = array.reshape(-1)
    if full or flat.size <= 2 * _SHORT:
        return head | {"values": as_json(array.tolist(), full=True)}
    ends = {"first": as_json(flat[:_SHORT].tolist()), "last": as_json(flat[-_SHORT:].tolist())}
    bounds = {"min": _scalar(flat.min(), full), "max": _scalar(flat.max(), full)} if flat.dtype.kind in "iufb" else {}
    return head | ends | bounds


def _sequence(items: list[Any] | tuple[Any, ...], full: bool) -> list[Any]:
    most = len(items) if full else 100
    shown = [as_json(item, full=full) for item in items[:most]]
    return shown if len(items) <= most else [*shown, f"… ({len(items)} in all)"]


def _scalar(value: Any, full: bool) -> Any:
    plain = value.item() if isinstance(value, np.generic | np.ndarray) else value
    if isinstance(plain, Enum):
        return plain.name
    if isinstance(plain, float) and not math.isfinite(plain):
        return str(plain)
    if plain is None or isinstance(plain, bool | int | float):
        return plain
    if isinstance(plain, bytes | bytearray | memoryview):
        return hex_head(bytes(plain), len(plain) if full else 64)
    text = plain if isinstance(plain, str) else repr(plain)
    return text if full or len(text) <= _TEXT else f"{text[:_TEXT]}… ({len(text)} characters)"
