"""Values of TOML fitted to what a parameter's annotation asks for."""

import collections.abc
import dataclasses
import datetime
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from testbeam.kit import template
from testbeam.stacks.toml.key import Key, Wrong, item

_WORDS: dict[Any, str] = {
    str: "text in quotes",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Path: "a path in quotes",
}
_KINDS = (bool, int, float, str, list, dict, datetime.datetime, datetime.date, datetime.time)
_KIND_WORDS = ("true or false", "a whole number", "a number", "text", "a list", "a table", "a date", "a date", "a time")


class _NoFit(Exception):
    """The value is not of the kind."""


def fit(value: Any, hint: Any, key: Key, here: Path) -> Any:
    """Return a value as the annotation `hint` wants it: lists as tuples, paths from the folder `here`.

    What no TOML value can be checked against, such as a class of somebody's own, is passed on as it is.

    Raises:
        Wrong: it is of another kind; says which is expected.
    """
    try:
        return _fit(value, hint, key, here)
    except _NoFit:
        raise Wrong(key, f"{_shown(value)} is {kind(value)}; give {expected(hint)}") from None


def kind(value: Any) -> str:
    """Return in words what a TOML value is."""
    return next(words for one, words in zip(_KINDS, _KIND_WORDS, strict=True) if isinstance(value, one))


def expected(hint: Any) -> str:
    """Return in words what an annotation asks for."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if _is_union(origin):
        words = dict.fromkeys(expected(one) for one in arguments if one is not types.NoneType)
        return " or ".join(words)
    if origin is typing.Literal:
        return " or ".join(map(repr, arguments))
    if _is_table(origin or hint):
        of = f" of {expected(arguments[1])}" if len(arguments) == 2 and arguments[1] is not Any else ""
        return f"a table{of}"
    if _is_list(origin or hint):
        of = f", each {expected(arguments[0])}" if arguments and arguments[0] is not Any else ""
        return f"a list in [ ]{of}"
    if dataclasses.is_dataclass(hint):
        return f"a table with {', '.join(field.name for field in dataclasses.fields(hint))}"
    return _WORDS.get(hint, "something else")


def made(frozen: type[Any], values: Mapping[str, Any], key: Key, here: Path) -> Any:
    """Return a dataclass of these values.

    Raises:
        Wrong: it has no such field, one without a default is missing, or a value is not of its kind.
    """
    hints, known = typing.get_type_hints(frozen), {field.name: field for field in dataclasses.fields(frozen)}
    for name in values:
        if name not in known:
            raise Wrong((*key, name), f"there is no such key; {template.near(name, known)}")
    for name, field in known.items():
        if name not in values and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise Wrong(key, f"{name} is missing; give {expected(hints[name])}")
    return frozen(**{name: fit(one, hints[name], (*key, name), here) for name, one in values.items()})


def _fit(value: Any, hint: Any, key: Key, here: Path) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or hint is object:
        return value
    if _is_union(origin):
        return _first_that_fits(value, arguments, key, here)
    if origin is typing.Literal:
        return _expect(value in arguments, value)
    if _is_table(origin or hint):
        _expect(isinstance(value, dict), value)
        of = arguments[1] if len(arguments) == 2 else Any
        return {name: fit(one, of, (*key, name), here) for name, one in value.items()}
    if _is_list(origin or hint):
        _expect(isinstance(value, list), value)
        of = arguments[0] if arguments else Any
        return tuple(fit(one, of, item(key, index), here) for index, one in enumerate(value))
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        _expect(isinstance(value, dict), value)
        return made(hint, value, key, here)
    return _scalar(value, hint, here)


def _first_that_fits(value: Any, hints: tuple[Any, ...], key: Key, here: Path) -> Any:
    deeper: Wrong | None = None
    for hint in sorted(hints, key=lambda hint: hint is not Path):  # `Path | str` is a path
        try:
            return _fit(value, hint, key, here)
        except _NoFit:
            continue
        except Wrong as error:  # the right kind, but wrong within
            deeper = deeper or error
    raise deeper or _NoFit


def _scalar(value: Any, hint: Any, here: Path) -> Any:
    if hint is Path:
        _expect(isinstance(value, str), value)
        return from_here(value, here)
    if hint is float:
        _expect(isinstance(value, int | float) and not isinstance(value, bool), value)
        return float(value)
    if hint is int:
        return _expect(isinstance(value, int) and not isinstance(value, bool), value)
    if hint in (str, bool):
        return _expect(isinstance(value, hint), value)
    if hint is types.NoneType:
        raise _NoFit
    return value


def from_here(path: str, here: Path) -> str:
    """Return a path of the file as an absolute one; a template, and what is empty, stays as it is."""
    return path if not path or path.startswith("${") else str(here / Path(path).expanduser())


def _expect(is_so: bool, value: Any) -> Any:
    if not is_so:
        raise _NoFit
    return value


def _is_union(origin: Any) -> bool:
    return origin in (typing.Union, types.UnionType)


def _is_table(hint: Any) -> bool:
    return hint in (dict, Mapping, collections.abc.MutableMapping)


def _is_list(hint: Any) -> bool:
    return hint in (list, tuple, collections.abc.Iterable, collections.abc.Sequence, collections.abc.Collection)


def _shown(value: Any) -> str:
    return f"{value!r:.60}"
