"""Tables from pixel ids to the cells of a view."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from math import prod

import numpy as np
from numpy.typing import NDArray

from testbeam.instruments.loader import Detector, Spectrum, View


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelTable:
    """`cell[id - first_id]` is the cell of a pixel in row order, −1 where the view leaves it out; `(n,)` int32.

    `middles_m` are the middles of the cells along each axis where they are lengths; `()` where they are indices.
    """

    first_id: int
    cell: NDArray[np.int32]
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    middles_m: tuple[NDArray[np.float64], ...] = ()

    @property
    def cells(self) -> int:
        """Return how many cells there are."""
        return prod(self.shape)


def pixel_table(detector: Detector, view: View) -> PixelTable:
    """Return the table of a detector for a view."""
    index = _indices(detector)
    table = _table(detector, view.axes, index, detector.dims)
    cell = table.cell.reshape(tuple(detector.dims.values()))
    for dim, selected in view.select.items():
        cell = np.where(index[dim] == selected, cell, np.int32(-1))
    return replace(table, cell=cell.ravel())


def group_table(detector: Detector, spectrum: Spectrum, groups: int) -> PixelTable:
    """Return the table of a detector for spectra of so many groups; they divide the dimension's size."""
    index, dim = _indices(detector), spectrum.grouped
    index[dim] = index[dim] // np.int32(detector.dims[dim] // groups)
    return _table(detector, spectrum.axes, index, {**detector.dims, dim: groups})


def _indices(detector: Detector) -> dict[str, NDArray[np.int32]]:
    return dict(zip(detector.dims, np.indices(tuple(detector.dims.values()), np.int32, sparse=True), strict=True))


def _table(
    detector: Detector, axes: Mapping[str, tuple[str, ...]], index: Mapping[str, NDArray[np.int32]], sizes: Mapping[str, int]
) -> PixelTable:
    cell = np.zeros(tuple(detector.dims.values()), np.int32)
    for dim in chain.from_iterable(axes.values()):
        cell = cell * np.int32(sizes[dim]) + index[dim]
    shape = tuple(prod(sizes[dim] for dim in dims) for dims in axes.values())
    return PixelTable(first_id=detector.first_id, cell=cell.ravel(), axes=tuple(axes), shape=shape)


def pixels_of_cells(table: PixelTable) -> NDArray[np.int64]:
    """Return how many pixels each cell sums over, in the view's shape."""
    counts = np.bincount(table.cell[table.cell >= 0], minlength=table.cells)
    return counts.reshape(table.shape)
