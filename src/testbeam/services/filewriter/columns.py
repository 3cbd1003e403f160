"""Growing datasets: made by the thousand, filled in memory, then appended to in one write; all by HDF5's own calls.

One h5py append costs tens of µs however short it is, so nothing is ever written per message. HDF5's own calls are a tenth of the cost of
h5py's comfortable ones.
Source: docs/reference/contracts/performance.md, "HDF5".
"""

import math
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5i, h5o, h5p, h5s, h5t, h5z
from numpy.typing import NDArray

_LARGE = 65_536  # rows of a part from which on copying it into a longer one costs more than a write of its own
_FEW, _MOST = 65_536, 2**26  # rows of a chunk of numbers that is short enough at any rate; bytes of the longest
_DIRECT = 65_536  # bytes of a chunk from which on it is written past HDF5's cache: half the time for events
_TEXT_DTYPE = h5py.string_dtype()
_TEXT = h5t.py_create(_TEXT_DTYPE, logical=True)
_SCALAR = h5s.create(h5s.SCALAR)


class WrittenGroup(h5py.Group):  # type: ignore[misc]  # h5py has no types
    """A group of a file that is being made.

    It knows its path, which takes HDF5 10 µs to find, and `models`: datasets of the file, by what they are, with the group that has each. A
    dozen datasets a stream ask for the one and are copied from the other.
    """

    def __init__(self, group_id: Any, path: str, file_id: Any, models: dict[Hashable, Any]) -> None:
        super().__init__(group_id)
        self._path, self.file_id, self.models = path, file_id, models

    @property
    def name(self) -> str:
        """Return its path."""
        return self._path


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSpec:
    """A growing dataset: its name, dtype, rows in a chunk and text attributes; `row` is the shape of one row, () for a number.

    A chunk is on the disk, and in memory, with its first row: one is never longer than 64 MB, or one row.
    """

    name: str
    dtype: Any
    chunk: int
    row: tuple[int, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Shorten a chunk that is too long."""
        if self.chunk > _FEW or self.row:
            row_bytes = max(1, math.prod(self.row)) * np.dtype(self.dtype).itemsize
            object.__setattr__(self, "chunk", min(self.chunk, max(1, _MOST // row_bytes)))


class Column:
    """One growing dataset and what waits to be appended to it.

    The dataset is opened with its first rows: thousands that stay empty would make the start of SWMR and the close of the file slow.
    """

    __slots__ = ("_file", "_id", "_parts", "_path", "_plain", "length", "spec", "waiting")

    def __init__(self, group: h5py.Group, spec: ColumnSpec, compression: str = "none") -> None:
        make(group, spec.name, (spec, compression), lambda: _made(group, spec, compression))
        self.spec = spec
        self._file = file_of(group)
        self._path = f"{group.name}/{spec.name}"
        self._id: Any = None
        self._parts: list[NDArray[Any]] = []
        self._plain = np.dtype(spec.dtype) if compression == "none" and _is_large(spec) else None
        self.length = 0  # rows in the file
        self.waiting = 0  # rows in memory

    @property
    def rows(self) -> int:
        """Return how many rows there are, in the file and in memory."""
        return self.length + self.waiting

    @property
    def dataset(self) -> h5py.Dataset:
        """Return the dataset to read from or to correct."""
        return h5py.Dataset(self._opened())

    def append(self, values: NDArray[Any]) -> None:
        """Keep rows for the next write; the array may be a view, which keeps its message alive."""
        if self._parts and self._parts[0].dtype != values.dtype:
            self.flush()  # numpy would bring both to one type, at the cost of digits
        self._parts.append(values)
        self.waiting += len(values)

    def flush(self) -> None:
        """Write what waits; HDF5 converts to the dataset's type."""
        if not self.waiting:
            return
        start = self.length
        self.length += self.waiting
        dataset = self._opened()
        dataset.set_extent((self.length, *self._parts[0].shape[1:]))
        for data in self._pieces(start):
            if self._is_plain(data) and len(data) == self.spec.chunk and not start % self.spec.chunk:
                write_chunk(dataset, start, data)
            else:
                _append(dataset, start, data)
            start += len(data)
        self.waiting = 0
        self._parts.clear()

    def keep(self, first: int, mask: NDArray[np.bool_]) -> None:
        """Of the rows in the file from `first` on, keep those of the mask."""
        if not mask.all():
            same = int(np.argmin(mask))
            dataset = self.dataset
            kept = dataset[first + same :][mask[same:]]
            self.length = first + same
            dataset.id.set_extent((self.length, *dataset.shape[1:]))
            self.append(kept)
            self.flush()

    def arrange(self, order: NDArray[np.intp]) -> None:
        """Bring the rows in the file into this order; those that are not in it go. Needs room for all of them in memory."""
        self.arrange_from(0, order)

    def arrange_from(self, first: int, order: NDArray[np.intp]) -> None:
        """Do the same with the rows from `first` on, of which `order` counts."""
        self.replace_from(first, self.dataset[first:][order])

    def replace_from(self, first: int, values: NDArray[Any]) -> None:
        """Put these rows in the place of those in the file from `first` on."""
        dataset = self.dataset
        self.length = first
        dataset.id.set_extent((first, *dataset.shape[1:]))
        self.append(values)
        self.flush()

    def _opened(self) -> Any:
        if self._id is None:
            self._id = h5d.open(self._file, self._path.encode())
        return self._id

    def _is_plain(self, data: NDArray[Any]) -> bool:
        """Tell whether whole chunks of these data may go to the disk as they are."""
        return self._plain is not None and data.dtype == self._plain  # to numpy None is double

    def _pieces(self, start: int) -> Iterator[NDArray[Any]]:
        """Yield what waits in pieces worth a write each; `start` is the row of the first one."""
        if self._is_plain(self._parts[0]) and self.waiting >= self.spec.chunk:
            yield from self._cut_at_chunks(start)
        elif len(self._parts) == 1 or self.waiting >= _LARGE * len(self._parts):
            yield from self._parts
        else:
            yield np.concatenate(self._parts)

    def _cut_at_chunks(self, start: int) -> Iterator[NDArray[Any]]:
        """Yield what waits, cut where the dataset's chunks end; only a piece that lies in several parts is copied."""
        room, pieces = self.spec.chunk - start % self.spec.chunk, list[NDArray[Any]]()
        for part in self._parts:
            while len(part) >= room:
                pieces.append(part[:room])
                yield pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
                part, room, pieces = part[room:], self.spec.chunk, []
            if len(part):
                pieces.append(part)
                room -= len(part)
        if pieces:
            yield np.concatenate(pieces)


def make(group: h5py.Group, name: str, what: Hashable, anew: Callable[[], None]) -> None:
    """Make a dataset as it begins, by a copy where its file has one like it: half of the cost of a new one with its attributes."""
    models: dict[Hashable, Any] = getattr(group, "models", {})
    if what in models:
        h5o.copy(models[what], name.encode(), group.id, name.encode())
    else:
        anew()
        models[what] = group.id


def make_scalar(group: h5py.Group, name: str, units: str) -> None:
    """Make a dataset of one double, NaN as yet."""

    def anew() -> None:
        dataset = h5d.create(group.id, name.encode(), h5t.NATIVE_DOUBLE, _SCALAR)
        dataset.write(h5s.ALL, h5s.ALL, np.array(np.nan))
        _add_text(dataset, "units", units)

    make(group, name, (name, units), anew)


def file_of(group: h5py.Group) -> Any:
    """Return the id of a group's file; a group that knows it is not asked anew, as there are a dozen datasets a stream."""
    known = getattr(group, "file_id", None)
    return h5i.get_file_id(group.id) if known is None else known


def set_text(item: Any, name: str, text: str) -> None:
    """Give an object (by its id) a text attribute; one that is there already is kept."""
    if not h5a.exists(item, name.encode()):
        _add_text(item, name, text)


def _made(group: h5py.Group, spec: ColumnSpec, compression: str) -> None:
    layout = _chunked(spec.chunk, spec.row, compression)
    made = h5d.create(group.id, spec.name.encode(), _type(spec.dtype), _space(spec.row), layout)
    for name, text in spec.attributes:
        _add_text(made, name, text)


def _add_text(item: Any, name: str, text: str) -> None:
    h5a.create(item, name.encode(), _TEXT, _SCALAR).write(_as_text(text))


@lru_cache(maxsize=1024)
def _as_text(text: str) -> NDArray[Any]:
    return np.array(text, dtype=_TEXT_DTYPE)


def _append(dataset: Any, start: int, data: NDArray[Any]) -> None:
    """Write rows at `start` of a dataset (by its id) that has room for them; HDF5 converts to its type."""
    data = np.ascontiguousarray(data)
    space = dataset.get_space()
    space.select_hyperslab((start, *(0 for _ in data.shape[1:])), data.shape)
    kind = dataset.get_type() if data.dtype.kind == "S" else None  # HDF5 does not turn numpy's ASCII into UTF-8
    dataset.write(h5s.create_simple(data.shape), space, data, kind)


def write_chunk(dataset: Any, start: int, data: NDArray[Any]) -> None:
    """Write a whole chunk, from row `start` on, of a dataset (by its id) without filters; the data are of its own type."""
    dataset.write_direct_chunk((start, *(0 for _ in data.shape[1:])), np.ascontiguousarray(data))


def _is_large(spec: ColumnSpec) -> bool:
    dtype = np.dtype(spec.dtype)
    return dtype.kind in "iuf" and spec.chunk * math.prod(spec.row) * dtype.itemsize >= _DIRECT


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
