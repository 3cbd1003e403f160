"""Arrays from the JSON values of a nexus_structure, given their type words.

Strings become object arrays of `str` (variable-length UTF-8 in the file), numbers arrays of their dtype, scalars 0-d arrays.
Source: docs/reference/contracts/filewriter.md, "NeXus structure JSON".
"""

import math
import reprlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import NexusError

STRING = np.dtype(object)
MOST_CELLS = 2**24  # of a value with lists of different length: a kilobyte of JSON could ask for gigabytes
MOST_DIMENSIONS = 32
_WORDS: dict[str, Any] = {
    "string": object,
    "float": np.float32,
    "double": np.float64,
    "short": np.int16,
    "int": np.int32,
    "long": np.int64,
    **{f"{sign}int{bits}": np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": np.dtype(f"float{bits}") for bits in (32, 64)},
}
TYPES: dict[str, np.dtype[Any]] = {word: np.dtype(kind) for word, kind in _WORDS.items()}
"""Every type word of the grammar; case is ignored."""


def dtype_of(word: object, path: str) -> np.dtype[Any]:
    """Return the dtype of a type word; strings are `object`.

    Raises:
        NexusError: there is no such word.
    """
    found = TYPES.get(word.lower()) if isinstance(word, str) else None
    if found is None:
        raise NexusError(path, f"{word!r} is not a type; give one of {', '.join(sorted(TYPES))}")
    return found


def to_array(value: Any, dtype: np.dtype[Any] | None, path: str) -> NDArray[Any]:
    """Return `value` (a scalar or nested lists, ragged ones padded with 0 or "") as an array; without `dtype` it is inferred.

    Inferred: bool → int8, integers → int64 (uint64 where one is too large), other numbers → float64, text → string.

    Raises:
        NexusError: a value is of another kind, does not fit `dtype`, or lists and scalars are mixed at one depth.
    """
    if dtype is None:
        dtype = _infer(value, path)
    value = _padded(value, "" if dtype == STRING else 0, path)
    try:
        natural = np.asarray(value)
        _check_kind(natural, dtype, path)
        return np.array(value, dtype=dtype)
    except (OverflowError, ValueError, TypeError) as error:
        raise NexusError(path, f"{_short(value)} does not fit {_word(dtype)}: {error}") from error


def _check_kind(natural: NDArray[Any], dtype: np.dtype[Any], path: str) -> None:
    kind = natural.dtype.kind
    if natural.size == 0:
        return
    if dtype == STRING:
        if kind != "U":
            raise NexusError(path, f"{_short(natural.tolist())} is not all text, but its type is string")
    elif kind not in "biuf":
        raise NexusError(path, f"{_short(natural.tolist())} is not all numbers, but its type is {_word(dtype)}")
    elif kind == "f" and dtype.kind in "iu" and not np.array_equal(natural, np.floor(natural)):
        raise NexusError(path, f"{_short(natural.tolist())} has fractions, but its type is {_word(dtype)}")


def _infer(value: Any, path: str) -> np.dtype[Any]:
    kinds = _kinds(value, path)
    if not kinds:
        return np.dtype(np.float64)
    if kinds == {str}:
        return STRING
    if kinds == {bool}:
        return np.dtype(np.int8)
    if kinds <= {bool, int}:
        return np.dtype(np.uint64 if max(_leaves(value)) > np.iinfo(np.int64).max else np.int64)
    if kinds <= {bool, int, float}:
        return np.dtype(np.float64)
    raise NexusError(path, f"{_short(value)} is neither all numbers nor all text")


def _kinds(value: Any, path: str, depth: int = 0) -> set[type]:
    if not isinstance(value, list):
        return {type(value)}
    _check_depth(value, path, depth)
    kinds = set(map(type, value))
    return set().union(*(_kinds(item, path, depth + 1) for item in value)) if list in kinds else kinds


def _check_depth(value: Any, path: str, depth: int) -> None:
    """Raise NexusError where lists lie deeper than a dataset can be; before Python's own limit of recursion is met."""
    if depth >= MOST_DIMENSIONS:
        raise NexusError(path, f"{_short(value)} has lists within lists more than {MOST_DIMENSIONS} deep; HDF5 has no more dimensions")


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _padded(value: Any, filler: Any, path: str) -> Any:
    if not isinstance(value, list) or list not in set(map(type, value)):
        return value
    shape = _shape(value, path)
    cells = math.prod(shape)
    if cells > MOST_CELLS:
        raise NexusError(path, f"{_short(value)} would take {cells} values with its rows padded to one length; at most {MOST_CELLS} are")
    return _fill(value, shape, filler)


def _shape(value: Any, path: str, depth: int = 0) -> tuple[int, ...]:
    if not isinstance(value, list):
        return ()
    _check_depth(value, path, depth)
    if list not in set(map(type, value)):
        return (len(value),)
    inner = [_shape(item, path, depth + 1) for item in value]
    if len({len(shape) for shape in inner}) > 1:
        raise NexusError(path, f"{_short(value)} mixes lists with scalars, or lists of different depth")
    longest = tuple(max(sizes) for sizes in zip(*inner, strict=True))
    return (len(value), *longest)


def _fill(value: Any, shape: tuple[int, ...], filler: Any) -> Any:
    if len(shape) < 2:
        return [*value, *[filler] * (shape[0] - len(value))] if shape else value
    missing = _blank(shape[1:], filler)
    return [_fill(item, shape[1:], filler) for item in value] + [missing] * (shape[0] - len(value))


def _blank(shape: tuple[int, ...], filler: Any) -> Any:
    return [_blank(shape[1:], filler) for _ in range(shape[0])] if shape else filler


def _word(dtype: np.dtype[Any]) -> str:
    return "string" if dtype == STRING else str(dtype)


def _short(value: Any) -> str:
    text = reprlib.repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
