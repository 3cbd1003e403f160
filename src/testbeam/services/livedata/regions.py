"""Regions of interest: what a request says, and which cells of an image are in a region.

A request is the whole set of one kind: rectangles have the indices 0 to 3, polygons 4 to 7; an index that is missing is deleted.
Coordinates are pixel indices; a cell belongs to a polygon if its index lies inside.
Source: docs/reference/contracts/livedata.md, "Regions of interest".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import WorkflowError
from testbeam.model.arrays import LabelledArray, Variable

RECTANGLES, POLYGONS = range(4), range(4, 8)
KINDS = {"roi_rectangle": ("bounds", RECTANGLES), "roi_polygon": ("vertex", POLYGONS)}
MOST_VERTICES = 10_000

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One region: `x` and `y` are bounds (min, max) or vertices, in pixel indices."""

    x: tuple[float, ...]
    y: tuple[float, ...]


def regions_of(kind: str, array: LabelledArray) -> dict[int, Region]:
    """Return the regions of a request, by index.

    Raises:
        WorkflowError: it is malformed; says what is wrong with which region.
    """
    dim, indices = KINDS[kind]
    x, y, index = (_coordinate(array, name, dim) for name in ("x", "y", "roi_index"))
    if not len(x) == len(y) == len(index) or len(x) > MOST_VERTICES:
        raise WorkflowError(
            f"{kind}: {len(x)} x, {len(y)} y and {len(index)} roi_index; they have to be equally many, at most {MOST_VERTICES}"
        )
    found = {}
    for number in np.unique(index).tolist():
        if number not in indices:
            raise WorkflowError(f"{kind}: index {number} is not in {indices.start}…{indices.stop - 1}")
        members = index == number
        found[int(number)] = _checked(kind, int(number), Region(x=tuple(x[members].tolist()), y=tuple(y[members].tolist())))
    return found


def mask_of(kind: str, region: Region, shape: tuple[int, int]) -> Mask:
    """Return which cells of an image are in a region; `shape` is rows and columns."""
    rows, columns = shape
    mask = np.zeros(shape, np.bool_)
    if kind == "roi_rectangle":
        (x0, x1), (y0, y1) = (map(int, region.x), map(int, region.y))
        mask[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = True
        return mask
    y, x = np.arange(rows)[:, None], np.arange(columns)[None, :]
    corners = list(zip(region.x, region.y, strict=True))
    for (xa, ya), (xb, yb) in zip(corners, corners[1:] + corners[:1], strict=True):
        if ya == yb:
            continue
        crosses = (ya > y) != (yb > y)  # an odd number of edges to one side: inside
        mask ^= crosses & (x < (xb - xa) * (y - ya) / (yb - ya) + xa)
    return mask


def readback(kind: str, regions: Mapping[int, Region]) -> tuple[Variable, ...]:
    """Return the variables that say which regions are in force."""
    dim, _ = KINDS[kind]
    x = np.array([value for index in sorted(regions) for value in regions[index].x], np.float64)
    y = np.array([value for index in sorted(regions) for value in regions[index].y], np.float64)
    index = np.array([index for index in sorted(regions) for _ in regions[index].x], np.int32)
    return (
        Variable(name="signal", data=np.ones(len(x), np.int32), axes=(dim,), unit=""),
        Variable(name="x", data=x, axes=(dim,)),
        Variable(name="y", data=y, axes=(dim,)),
        Variable(name="roi_index", data=index, axes=(dim,), unit=""),
    )


def _coordinate(array: LabelledArray, name: str, dim: str) -> NDArray[Any]:
    variable = array.variable(name)
    if variable is None or isinstance(variable.data, str) or variable.data.ndim != 1 or (variable.axes and variable.axes != (dim,)):
        raise WorkflowError(f"a request of regions needs {name!r} along {dim!r}")
    if name != "roi_index" and variable.unit is not None and variable.data.size:
        raise WorkflowError(f"{name} is in {variable.unit!r}; this view knows pixel indices only, which have no unit")
    if not np.isfinite(variable.data.astype(np.float64)).all():
        raise WorkflowError(f"{name} of a region is no finite number")
    return variable.data


def _checked(kind: str, index: int, region: Region) -> Region:
    if kind == "roi_rectangle" and (len(region.x) != 2 or region.x[0] >= region.x[1] or region.y[0] >= region.y[1]):
        raise WorkflowError(f"rectangle {index}: x {region.x}, y {region.y}; each has to be a minimum below a maximum")
    if kind == "roi_polygon" and len(region.x) < 3:
        raise WorkflowError(f"polygon {index} has {len(region.x)} vertices; it takes 3 at least")
    if max(map(abs, region.x + region.y)) > 2**31:
        raise WorkflowError(f"region {index} reaches beyond any image")
    return region
