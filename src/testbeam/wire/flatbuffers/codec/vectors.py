"""How does a vector of numbers become an array, and an array a vector?

Apart from reader and builder, which load it with the first vector: most messages have none, and numpy would take up half of a
service's start.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.wire.flatbuffers.codec.tables import Vector

_dtype = cache(np.dtype)


def view(field: Vector, buffer: bytes, count: int, start: int) -> NDArray[Any]:
    """Return `count` elements from `start` on as a read-only array over the buffer; the caller has checked that they lie in it."""
    return np.frombuffer(buffer, _dtype(field.dtype), count, start)


def empty(field: Vector) -> NDArray[Any]:
    """Return the array of a vector that is missing."""
    return np.empty(0, _dtype(field.dtype))


def exact(field: Vector, values: Any) -> NDArray[Any]:
    """Return the values as a contiguous array of the field's type.

    Raises:
        ValueError: they are not 1-D, or don't fit the type.
    """
    given, dtype = np.asarray(values), _dtype(field.dtype)
    array = np.ascontiguousarray(given, dtype) if given.dtype == dtype else given.astype(dtype)
    if array.ndim != 1 or (array is not given and not np.array_equal(array, given)):
        raise ValueError(f"{field.name} of type {given.dtype} and shape {given.shape} is no 1-D array that fits {dtype}")
    return array
