"""Conversion of numbers to a dataset's type, by HDF5's own rules."""

from typing import Any

import numpy as np
from h5py import h5t
from numpy.typing import NDArray


def differs(sent: NDArray[Any], stored: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which numbers are others in the type in which they are stored; that a number is rounded to fewer digits does not count.

    sent, stored: of one shape, `stored` as `converted` gives it.
    """
    if sent.dtype.kind == "f" and stored.dtype.kind == "f":
        lost: NDArray[np.bool_] = np.isfinite(sent) & ~np.isfinite(stored)
        return lost
    back = converted(stored, sent.dtype)
    other: NDArray[np.bool_] = back != sent
    return other


def converted(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return numbers as HDF5 stores them in a dataset of another type: cut, clamped, rounded by its own rules."""
    if values.dtype == dtype:
        return values
    buffer = np.zeros(values.size * max(values.itemsize, dtype.itemsize), np.uint8)
    buffer[: values.nbytes] = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    h5t.convert(h5t.py_create(values.dtype), h5t.py_create(dtype), values.size, buffer)
    return buffer[: values.size * dtype.itemsize].view(dtype).reshape(values.shape)
