"""How values reach a growing dataset: kept in memory, then appended in one write.

One h5py append costs tens of µs however short it is, so nothing is ever written per message (contracts/performance.md, "HDF5").
"""

from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
from h5py import h5s
from numpy.typing import NDArray

_LARGE = 65_536  # rows of a part from which on copying it into a longer one costs more than a write of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSpec:
    """A growing dataset: its name, dtype, chunk length and text attributes; `width` > 0 makes rows of that many values."""

    name: str
    dtype: Any
    chunk: int
    width: int = 0
    attributes: tuple[tuple[str, str], ...] = ()

    def create(self, group: h5py.Group) -> h5py.Dataset:
        """Make the empty dataset."""
        inner = (self.width,) if self.width else ()
        dataset = group.create_dataset(self.name, (0, *inner), self.dtype, maxshape=(None, *inner), chunks=(self.chunk, *inner))
        for name, value in self.attributes:
            dataset.attrs[name] = value
        return dataset


@dataclass(slots=True)
class Column:
    """One growing dataset and what waits to be appended to it."""

    dataset: h5py.Dataset
    length: int = 0  # rows in the file
    waiting: int = 0  # rows in memory
    _parts: list[NDArray[Any]] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Return how many rows there are, in the file and in memory."""
        return self.length + self.waiting

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
        self.dataset.id.set_extent((self.length, *self.dataset.shape[1:]))
        for data in self._gathered():
            self._write(start, data)
            start += len(data)
        self.waiting = 0
        self._parts.clear()

    def keep(self, first: int, mask: NDArray[np.bool_]) -> None:
        """Of the rows in the file from `first` on, keep those of the mask."""
        if not mask.all():
            same = int(np.argmin(mask))
            first += same
            kept = self.dataset[first:][mask[same:]]
            self.length = first
            self.dataset.id.set_extent((first, *self.dataset.shape[1:]))
            self.append(kept)
            self.flush()

    def _gathered(self) -> list[NDArray[Any]]:
        """Return what waits in pieces worth a write each."""
        if len(self._parts) == 1 or self.waiting >= _LARGE * len(self._parts):
            return self._parts
        return [np.concatenate(self._parts)]

    def _write(self, start: int, data: NDArray[Any]) -> None:
        data = np.ascontiguousarray(data)
        space = self.dataset.id.get_space()
        space.select_hyperslab((start, *(0 for _ in data.shape[1:])), data.shape)
        self.dataset.id.write(h5s.create_simple(data.shape), space, data, self._string_type(data))

    def _string_type(self, data: NDArray[Any]) -> Any:
        return self.dataset.id.get_type() if data.dtype.kind == "S" else None  # HDF5 does not turn numpy's ASCII into UTF-8
