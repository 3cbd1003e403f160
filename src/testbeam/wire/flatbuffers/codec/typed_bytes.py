"""Numbers or text as schemas carry them: a type code, a shape and bare bytes (da00, ad00).

The bytes begin wherever the message has room, so that the arrays, read-only views into it, may be unaligned for their type.
"""

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import WireError

Numbers: TypeAlias = NDArray[Any]

DTYPES = tuple(map(np.dtype, ("<i1", "<u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f4", "<f8")))  # the order of the type codes
TEXT = len(DTYPES)  # the place of text behind them
MAX_RANK = 32
_PLACES = {dtype: place for place, dtype in enumerate(DTYPES)}
_BYTES = np.dtype("<u1")


def place_of(schema: str, name: str, data: Numbers | str) -> int:
    """Return the place of the data's type among DTYPES, or TEXT.

    Raises:
        WireError: the schema has no such type.
    """
    if isinstance(data, str):
        return TEXT
    place = _PLACES.get(data.dtype.newbyteorder("<"))
    if place is None:
        raise WireError(schema, f"{name} of type {data.dtype} has no place in it; it takes {', '.join(map(str, DTYPES))} and text")
    return place


def to_bytes(schema: str, name: str, data: Numbers | str) -> tuple[NDArray[np.uint8], tuple[int, ...]]:
    """Return the bytes of the data, rows first, and its shape; that of a text is its number of bytes.

    Raises:
        WireError: the text has no UTF-8.
    """
    if isinstance(data, str):
        try:
            raw = data.encode()
        except UnicodeEncodeError as error:
            raise WireError(schema, f"{name} can't be encoded: {error}") from None
        return np.frombuffer(raw, _BYTES), (len(raw),)
    little = np.asarray(data, data.dtype.newbyteorder("<"))
    return np.frombuffer(little.tobytes(), _BYTES), data.shape


def from_bytes(schema: str, name: str, place: int, raw: NDArray[np.uint8], dims: NDArray[np.int64]) -> Numbers | str:
    """Return the data: numbers in their shape, or text.

    Some producers give a single number the shape of its bytes: where the shape doesn't fit, numbers come as a list, one alone as 0-d.

    Raises:
        WireError: there is no such type, or bytes and shape don't belong together.
    """
    if place == TEXT:
        return text(schema, name, raw.tobytes())
    if not 0 <= place < TEXT:
        raise WireError(schema, f"{name} has a type that is unknown")
    dtype = DTYPES[place]
    if raw.size % dtype.itemsize:
        raise WireError(schema, f"{name} has {raw.size} bytes, no multiple of the {dtype.itemsize} of {dtype}")
    shape = checked_shape(schema, name, dims, raw.size // dtype.itemsize)
    numbers = raw.view(dtype) if raw.size else np.empty(0, dtype)
    return numbers.reshape(shape)


def checked_shape(schema: str, name: str, dims: NDArray[np.int64], count: int) -> tuple[int, ...]:
    """Return the shape of `count` numbers.

    Raises:
        WireError: they have not this shape.
    """
    shape = tuple(dims.tolist()) if dims.size <= MAX_RANK else ()
    if dims.size > MAX_RANK or any(n < 0 for n in shape):
        raise WireError(schema, f"{name} has an impossible shape of {dims.size} dimensions")
    if math.prod(shape) == count:
        return shape
    if len(shape) <= 1 and count == 1:
        return ()
    raise WireError(schema, f"{name} has {count} numbers, which are no array of shape {shape}")


def text(schema: str, name: str, raw: bytes) -> str:
    """Return the text of its bytes.

    Raises:
        WireError: they are no UTF-8.
    """
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise WireError(schema, f"{name} is not UTF-8: {error.reason} at byte {error.start}") from None
