"""Growing dataset: values are kept in memory, then appended in one write.

One h5py append costs tens of µs however short it is, so nothing is ever written per message.
Source: docs/reference/contracts/performance.md, "HDF5".
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from h5py import h5d
from numpy.typing import NDArray

from testbeam.services.filewriter import hdf5

_LARGE = 65_536  # rows of a part from which on copying it into a longer one costs more than a write of its own
_DIRECT = 65_536  # bytes of a chunk from which on it is written past HDF5's cache: half the time for events


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSpec:
    """A growing dataset: its name, dtype, rows in a chunk and text attributes; `row` is the shape of one row, () for a number."""

    name: str
    dtype: Any
    chunk: int
    row: tuple[int, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()


class Column:
    """One growing dataset and what waits to be appended to it.

    The dataset is opened with its first rows: thousands that stay empty would make the start of SWMR and the close of the file slow.
    """

    __slots__ = ("_file", "_id", "_parts", "_path", "_plain", "length", "spec", "waiting")

    def __init__(self, group: h5py.Group, spec: ColumnSpec, compression: str = "none") -> None:
        made = hdf5.make_growing(group.id, spec.name, spec.dtype, spec.chunk, spec.row, compression)
        for name, text in spec.attributes:
            hdf5.add_text(made, name, text)
        self.spec = spec
        self._file = hdf5.file_of(group)
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
                hdf5.write_chunk(dataset, start, data)
            else:
                hdf5.append(dataset, start, data)
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


def _is_large(spec: ColumnSpec) -> bool:
    dtype = np.dtype(spec.dtype)
    return dtype.kind in "iuf" and spec.chunk * math.prod(spec.row) * dtype.itemsize >= _DIRECT
