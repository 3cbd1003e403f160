"""Regions of interest: what a request says, and which cells of an image are in a region.

A request is the whole set of one kind: rectangles have the indices 0 to 3, polygons 4 to 7; an index that is missing is deleted.
Coordinates are cell indices where they have no unit, else lengths on the screen of a projection; a cell belongs to a region if its index,
or its middle, lies inside.
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
Floats = NDArray[np.float64]

_M_PER = {"m": 1.0, "cm": 1e-2, "mm": 1e-3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One region: `x` and `y` are bounds (min, max) or vertices, in cell indices, or in metres where `unit` says so."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    unit: str | None = None


def regions_of(kind: str, array: LabelledArray, *, lengths: bool = False) -> dict[int, Region]:
    """Return the regions of a request, by index; `lengths` says whether the view's axes are lengths.

    Raises:
        WorkflowError: it is malformed; says what is wrong with which region.
    """
    dim, indices = KINDS[kind]
    unit = _unit(*(_coordinate(array, name, dim) for name in ("x", "y")), lengths=lengths)
    x, y, index = (_numbers(array, name, dim) for name in ("x", "y", "roi_index"))
    if unit is not None:
        x, y = (coordinate * _M_PER[unit] for coordinate in (x, y))
    if not len(x) == len(y) == len(index) or len(x) > MOST_VERTICES:
        raise WorkflowError(
            f"{kind}: {len(x)} x, {len(y)} y and {len(index)} roi_index; they have to be equally many, at most {MOST_VERTICES}"
        )
    found = {}
    for number in np.unique(index).tolist():
        if number not in indices:
            raise WorkflowError(f"{kind}: index {number} is not in {indices.start}…{indices.stop - 1}")
        members = index == number
        region = Region(x=tuple(x[members].tolist()), y=tuple(y[members].tolist()), unit=None if unit is None else "m")
        found[int(number)] = _checked(kind, int(number), region)
    return found


def mask_of(kind: str, region: Region, rows: Floats, columns: Floats) -> Mask:
    """Return which cells of an image are in a region; `rows` and `columns` are their indices or middles, as the region's unit asks."""
    y, x = rows[:, None], columns[None, :]
    if kind == "roi_rectangle":
        (x0, x1), (y0, y1) = region.x, region.y
        if region.unit is None:
            x0, x1, y0, y1 = map(int, (x0, x1, y0, y1))
        return (x0 <= x) & (x < x1) & (y0 <= y) & (y < y1)
    return _inside(region, rows, columns)


def _inside(region: Region, rows: Floats, columns: Floats) -> Mask:
    """Return which cells are inside a polygon: those with an odd number of edges to their right in their row."""
    edges_before = np.zeros((len(rows), len(columns) + 1), np.int32)  # [row, n]: edges that n columns are to the left of
    corners = list(zip(region.x, region.y, strict=True))
    for (xa, ya), (xb, yb) in zip(corners, corners[1:] + corners[:1], strict=True):
        crossed = np.flatnonzero((ya > rows) != (yb > rows))
        if len(crossed):
            at = (xb - xa) * (rows[crossed] - ya) / (yb - ya) + xa
            edges_before[crossed, np.searchsorted(columns, at)] += 1
    to_the_right = edges_before[:, :0:-1].cumsum(axis=1)[:, ::-1]
    return (to_the_right & 1).astype(np.bool_)


def readback(kind: str, regions: Mapping[int, Region]) -> tuple[Variable, ...]:
    """Return the variables that say which regions are in force."""
    dim, _ = KINDS[kind]
    x = np.array([value for index in sorted(regions) for value in regions[index].x], np.float64)
    y = np.array([value for index in sorted(regions) for value in regions[index].y], np.float64)
    index = np.array([index for index in sorted(regions) for _ in regions[index].x], np.int32)
    unit = next((region.unit for region in regions.values()), None)  # one for all of a request
    return (
        Variable(name="signal", data=np.ones(len(x), np.int32), axes=(dim,), unit=""),
        Variable(name="x", data=x, axes=(dim,), unit=unit),
        Variable(name="y", data=y, axes=(dim,), unit=unit),
        Variable(name="roi_index", data=index, axes=(dim,), unit=""),
    )


def _coordinate(array: LabelledArray, name: str, dim: str) -> Variable:
    variable = array.variable(name)
    if variable is None or isinstance(variable.data, str) or variable.data.ndim != 1 or (variable.axes and variable.axes != (dim,)):
        raise WorkflowError(f"a request of regions needs {name!r} along {dim!r}")
    return variable


def _numbers(array: LabelledArray, name: str, dim: str) -> NDArray[Any]:
    numbers = np.asarray(_coordinate(array, name, dim).data)
    if not np.isfinite(numbers.astype(np.float64)).all():
        raise WorkflowError(f"{name} of a region is no finite number")
    return numbers


def _unit(x: Variable, y: Variable, *, lengths: bool) -> str | None:
    """Return the unit of a request that is not empty, None where it has none."""
    if not len(x.data):
        return None
    if x.unit != y.unit:
        raise WorkflowError(f"x of a region is in {x.unit!r}, y in {y.unit!r}; they have to be in one unit")
    if x.unit is not None and not lengths:
        raise WorkflowError(f"a region is in {x.unit!r}; this view knows pixel indices only, which have no unit")
    if x.unit is not None and x.unit not in _M_PER:
        raise WorkflowError(f"a region is in {x.unit!r}; this view knows {', '.join(_M_PER)}, and indices, which have no unit")
    return x.unit


def _checked(kind: str, index: int, region: Region) -> Region:
    if kind == "roi_rectangle" and (len(region.x) != 2 or region.x[0] >= region.x[1] or region.y[0] >= region.y[1]):
        raise WorkflowError(f"rectangle {index}: x {region.x}, y {region.y}; each has to be a minimum below a maximum")
    if kind == "roi_polygon" and len(region.x) < 3:
        raise WorkflowError(f"polygon {index} has {len(region.x)} vertices; it takes 3 at least")
    if max(map(abs, region.x + region.y)) > 2**31:
        raise WorkflowError(f"region {index} reaches beyond any image")
    return region
