"""PyON, the notation of values in the cache: what Python literals look like, read without running any of it.

`load` takes numbers, text, bytes, True, False, None, inf, nan, complex numbers, lists, tuples, dicts and sets of these. Genuine NICOS
writes whatever else it has as `cache_unpickle("base64")`; that is code to be run, so it stays the text that it is.
Source: docs/reference/contracts/control.md, "Cache protocol".
"""

import ast
from collections.abc import Mapping
from enum import Enum
from typing import Any

from testbeam.errors import WireError

MOST_CHARACTERS = 16_000_000
DEEPEST = 64
_NAMES: Mapping[str, Any] = {"None": None, "True": True, "False": False, "inf": float("inf"), "nan": float("nan")}
_CALL = "cache_unpickle("


def dump(value: Any) -> str:
    """Return the notation of a value; arrays and their scalars become lists and numbers, an enum its value, other objects their text."""
    if value is None or (isinstance(value, str | int | float | bytes | complex) and not isinstance(value, Enum)):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + "".join(f"{dump(key)}:{dump(item)}," for key, item in value.items()) + "}"
    if isinstance(value, tuple):
        return "(" + "".join(f"{dump(item)}," for item in value) + ")"
    if isinstance(value, list):
        return "[" + "".join(f"{dump(item)}," for item in value) + "]"
    if isinstance(value, set | frozenset):
        return "{" + "".join(f"{dump(item)}," for item in sorted(value, key=repr)) + "}" if value else "()"
    if isinstance(value, Enum):
        return dump(value.value)
    plain = getattr(value, "tolist", None)
    return dump(plain()) if callable(plain) else repr(str(value))


def load(text: str) -> Any:
    """Return the value that a notation stands for.

    Raises:
        WireError: the text is no notation of a value.
    """
    try:
        return float(text) if "." in text else int(text)  # nearly all values are numbers, and parsing costs ten times as much
    except ValueError:
        pass
    if text.startswith(_CALL):
        return text
    if len(text) > MOST_CHARACTERS:
        raise WireError("PyON", f"{len(text)} characters are more than {MOST_CHARACTERS}")
    try:
        return _value(ast.parse(text.strip(), mode="eval").body, 0)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError, OverflowError) as error:
        raise WireError("PyON", f"{text:.80} is no value: {error}") from None


def _value(node: ast.expr, depth: int) -> Any:  # noqa: C901 — one case a kind of literal
    if depth > DEEPEST:
        raise ValueError(f"nested deeper than {DEEPEST}")
    match node:
        case ast.Constant(value=value) if value is not Ellipsis:
            return value
        case ast.Tuple(elts=items):
            return tuple(_value(item, depth + 1) for item in items)
        case ast.List(elts=items):
            return [_value(item, depth + 1) for item in items]
        case ast.Set(elts=items):
            return frozenset(_value(item, depth + 1) for item in items)
        case ast.Dict(keys=keys, values=values):
            return {_key(key, depth): _value(item, depth + 1) for key, item in zip(keys, values, strict=True)}
        case ast.Name(id=name) if name in _NAMES:
            return _NAMES[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(operand, depth)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as sign, right=ast.Constant(value=complex() as imaginary)):
            real = _number(left, depth)
            return real + imaginary if isinstance(sign, ast.Add) else real - imaginary
        case ast.Call(func=ast.Name(id="cache_unpickle")):
            return ast.unparse(node)
    raise ValueError(f"{type(node).__name__} has no place in it")


def _key(node: ast.expr | None, depth: int) -> Any:
    if node is None:
        raise ValueError("** has no place in it")
    return _value(node, depth + 1)


def _number(node: ast.expr, depth: int) -> Any:
    value = _value(node, depth + 1)
    if isinstance(value, bool) or not isinstance(value, int | float | complex):
        raise ValueError(f"{value!r} is no number")  # noqa: TRY004 — one kind of error for all that is no notation
    return value
