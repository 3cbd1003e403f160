"""Datasets and attributes by the thousand: HDF5's own calls, a tenth of the cost of h5py's comfortable ones."""

from functools import lru_cache
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5i, h5p, h5s, h5t, h5z
from numpy.typing import NDArray

_TEXT_DTYPE = h5py.string_dtype()
_TEXT = h5t.py_create(_TEXT_DTYPE, logical=True)
_SCALAR = h5s.create(h5s.SCALAR)


def file_of(group: h5py.Group) -> Any:
    """Return the id of a group's file; a group that knows it is not asked anew, as there are a dozen datasets a stream."""
    known = getattr(group, "file_id", None)
    return h5i.get_file_id(group.id) if known is None else known


def set_text(item: Any, name: str, text: str) -> None:
    """Give an object (by its id) a text attribute; one that is there already is kept."""
    if not h5a.exists(item, name.encode()):
        add_text(item, name, text)


def add_text(item: Any, name: str, text: str) -> None:
    """Give an object (by its id) that was just made a text attribute."""
    h5a.create(item, name.encode(), _TEXT, _SCALAR).write(_as_text(text))


@lru_cache(maxsize=1024)
def _as_text(text: str) -> NDArray[Any]:
    return np.array(text, dtype=_TEXT_DTYPE)


def make_growing(group: Any, name: str, dtype: Any, chunk: int, row: tuple[int, ...] = (), compression: str = "none") -> Any:
    """Make an empty dataset below a group (by its id) and return its id; `row` is the shape of one row."""
    return h5d.create(group, name.encode(), _type(dtype), _space(row), _chunked(chunk, row, compression))


def make_scalar(group: Any, name: str, value: float) -> Any:
    """Make a dataset of one double and return its id."""
    dataset = h5d.create(group, name.encode(), h5t.NATIVE_DOUBLE, _SCALAR)
    dataset.write(h5s.ALL, h5s.ALL, np.array(value))
    return dataset


def append(dataset: Any, start: int, data: NDArray[Any]) -> None:
    """Write rows at `start` of a dataset (by its id) that has room for them; HDF5 converts to its type."""
    data = np.ascontiguousarray(data)
    space = dataset.get_space()
    space.select_hyperslab((start, *(0 for _ in data.shape[1:])), data.shape)
    kind = dataset.get_type() if data.dtype.kind == "S" else None  # HDF5 does not turn numpy's ASCII into UTF-8
    dataset.write(h5s.create_simple(data.shape), space, data, kind)


def write_chunk(dataset: Any, start: int, data: NDArray[Any]) -> None:
    """Write a whole chunk, from row `start` on, of a dataset (by its id) without filters; the data are of its own type."""
    dataset.write_direct_chunk((start, *(0 for _ in data.shape[1:])), np.ascontiguousarray(data))


@lru_cache
def _type(dtype: Any) -> Any:
    return h5t.py_create(np.dtype(dtype), logical=True)


@lru_cache
def _space(row: tuple[int, ...]) -> Any:
    return h5s.create_simple((0, *row), (h5s.UNLIMITED, *row))


@lru_cache
def _chunked(chunk: int, row: tuple[int, ...], compression: str) -> Any:
    layout = h5p.create(h5p.DATASET_CREATE)
    layout.set_chunk((chunk, *row))
    if compression == "zstd":  # the bytes of equal weight together, then Zstandard: best for times of flight, by far
        import hdf5plugin  # late: it registers its filters with HDF5, 40 ms

        bitshuffle = hdf5plugin.Bitshuffle(cname="zstd")
        layout.set_filter(bitshuffle.filter_id, 0, tuple(bitshuffle.filter_options))
    elif compression != "none":
        layout.set_shuffle()
        layout.set_deflate(1) if compression == "gzip" else layout.set_filter(h5z.FILTER_LZF, h5z.FLAG_OPTIONAL)
    return layout
