"""Arrays of FlatBuffers vectors of numbers, and vectors of arrays.

Apart from reader and builder, which load it with the first vector: most messages have none, and importing numpy is half of a service's
start. `dtype` is numpy's code, such as "<i4".
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_dtype = cache(np.dtype)


def view(dtype: str, buffer: bytes, count: int, start: int) -> NDArray[Any]:
    """Return `count` elements from `start` on as a read-only array over the buffer; the caller has checked that they lie in it."""
    return np.frombuffer(buffer, _dtype(dtype), count, start)


def empty(dtype: str) -> NDArray[Any]:
    """Return the array of a vector that is missing."""
    return np.empty(0, _dtype(dtype))


def exact(name: str, dtype: str, values: Any) -> NDArray[Any]:
    """Return the values as a contiguous array of this type.

    Raises:
        ValueError: they are not 1-D, or don't fit the type.
    """
    given, wanted = np.asarray(values), _dtype(dtype)
    array = np.ascontiguousarray(given, wanted) if given.dtype == wanted else given.astype(wanted)
    if array.ndim != 1 or (array is not given and not np.array_equal(array, given)):
        raise ValueError(f"{name} of type {given.dtype} and shape {given.shape} is no 1-D array that fits {wanted}")
    return array
