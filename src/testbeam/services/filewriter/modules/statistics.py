"""Minimum, maximum and mean of a log, written at the end as scalars beside it; NaN where there is no value."""

from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5s
from numpy.typing import NDArray

from testbeam.services.filewriter import hdf5

NAMES = ("minimum_value", "maximum_value", "average_value")
_BLOCK = 1_000_000


class Statistics:
    """Counts as values come; NaN values are left out."""

    def __init__(self, group: h5py.Group, units: str) -> None:
        self._file, self._path = hdf5.file_of(group), group.name
        for name in NAMES:
            hdf5.add_text(hdf5.make_scalar(group.id, name, np.nan), "units", units)
        self._reset()

    def _reset(self) -> None:
        self._minimum, self._maximum, self._sum, self._count = np.nan, np.nan, 0.0, 0

    def add(self, values: NDArray[Any]) -> None:
        """Count these values in."""
        if values.dtype.kind == "f" and np.isnan(values).any():
            values = values[~np.isnan(values)]
        if values.size:
            self._minimum = np.fmin(self._minimum, float(values.min()))
            self._maximum = np.fmax(self._maximum, float(values.max()))
            self._sum += float(values.sum(dtype=np.float64))
            self._count += values.size

    def recount(self, dataset: h5py.Dataset) -> None:
        """Begin anew from what is in the file."""
        self._reset()
        for start in range(0, len(dataset), _BLOCK):
            self.add(dataset[start : start + _BLOCK])

    def write(self) -> None:
        """Put the scalars into the file."""
        if self._count:
            for name, value in zip(NAMES, (self._minimum, self._maximum, self._sum / self._count), strict=True):
                h5d.open(self._file, f"{self._path}/{name}".encode()).write(h5s.ALL, h5s.ALL, np.array(value))
