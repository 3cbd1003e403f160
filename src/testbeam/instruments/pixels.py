"""Tables from pixel ids to the cells of a view."""

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from testbeam.instruments.loader import Detector, View


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
    names, sizes = tuple(detector.dims), tuple(detector.dims.values())
    shape = tuple(prod(detector.dims[dim] for dim in dims) for dims in view.axes.values())
    index = dict(zip(names, np.indices(sizes, np.int32, sparse=True), strict=True))
    cell = np.zeros(sizes, np.int32)
    for dims in view.axes.values():
        for dim in dims:
            cell = cell * np.int32(detector.dims[dim]) + index[dim]
    for dim, selected in view.select.items():
        cell = np.where(index[dim] == selected, cell, np.int32(-1))
    return PixelTable(first_id=detector.first_id, cell=cell.ravel(), axes=tuple(view.axes), shape=shape)


def pixels_of_cells(table: PixelTable) -> NDArray[np.int64]:
    """Return how many pixels each cell sums over, in the view's shape."""
    counts = np.bincount(table.cell[table.cell >= 0], minlength=table.cells)
    return counts.reshape(table.shape)
