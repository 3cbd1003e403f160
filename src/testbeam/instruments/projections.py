"""Tables of geometric views: where a detector's pixels are, and in which cell of a screen each is seen from the sample.

A plane lies across the beam where the pixel nearest to the sample along it is, a cylinder about its axis where the nearest to that is; a
pixel goes to where the line from the sample through it meets them. Cells are equal parts between the outermost pixels. A table takes 4
bytes a pixel; places are forgotten once it is made.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import NexusError, SettingsError
from testbeam.instruments.loader import Detector, Instrument, Lattice, Projection, View
from testbeam.instruments.pixels import PixelTable, pixel_table

Floats = NDArray[np.float64]

_ALONE_M = 1e-3  # width of a screen on which all pixels are in one place


def table_of(instrument: Instrument, detector: Detector, view: View) -> PixelTable:
    """Return the table of a detector for a view of either kind.

    Raises:
        SettingsError: a projection is asked for where nothing says where the pixels are.
    """
    projection = view.projections.get(detector.name)
    if projection is None:
        return pixel_table(detector, view)
    return projected_table(detector, projection, positions_of(detector, instrument.geometry))


def positions_of(detector: Detector, geometry: str = "") -> Floats:
    """Return where the pixels are, by id: `(n, 3)`, m from the sample, x, y up, z along the beam; NaN of those that the file lacks.

    Raises:
        SettingsError: neither the geometry's file nor the instrument's says it.
    """
    if geometry:
        return _of_file(detector, geometry)
    if detector.lattice is not None:
        return _of_lattice(detector, detector.lattice)
    if detector.flat is not None:
        columns = list(detector.dims.values())[-1]
        rows = detector.pixels // columns
        x, y = np.meshgrid(detector.flat.offsets_m(columns), detector.flat.offsets_m(rows))
        return np.stack([x.ravel(), y.ravel(), np.full(detector.pixels, detector.flat.distance_m)], axis=1)
    needed = f"a NeXus file with the NXdetector {detector.name}, as --geometry or as `geometry` of the instrument's file"
    raise SettingsError("geometry", None, f"{needed}, or `flat` or `lattice` of this detector there")


def projected_table(detector: Detector, projection: Projection, positions: Floats) -> PixelTable:
    """Return the table of a detector on a screen; pixels that the screen can't show are left out.

    Raises:
        SettingsError: it can show none.
    """
    on_screen = _on_screen(projection, positions)
    seen = np.all([np.isfinite(on_screen[axis]) for axis in projection.resolution], axis=0)
    if not seen.any():
        raise SettingsError("geometry", detector.name, f"a detector of which {projection.screen} shows a pixel")
    cell, middles = np.zeros(detector.pixels, np.int32), []
    for axis, bins in projection.resolution.items():
        edges = _edges(on_screen[axis][seen], bins)
        index = np.clip(np.searchsorted(edges, on_screen[axis], "right") - 1, 0, bins - 1)
        cell = cell * np.int32(bins) + index.astype(np.int32)
        middles.append((edges[:-1] + edges[1:]) / 2)
    axes, shape = tuple(projection.resolution), tuple(projection.resolution.values())
    left_out = np.where(seen, cell, np.int32(-1)).astype(np.int32)
    return PixelTable(first_id=detector.first_id, cell=left_out, axes=axes, shape=shape, middles_m=tuple(middles))


def _on_screen(projection: Projection, positions: Floats) -> dict[str, Floats]:
    """Return the places on the screen by axis; not finite where the line through a pixel never meets it."""
    x, y, z = positions.T
    with np.errstate(divide="ignore", invalid="ignore"):
        if projection.screen == "xy_plane":
            nearer = z[np.nanargmin(np.where(z == 0, np.inf, np.abs(z)))] / z
            found = {"x": x * nearer, "y": y * nearer}
        else:
            axis = projection.screen[-1]
            along, across, height = (x, y, z) if axis == "z" else (z, x, y)
            radius = np.hypot(along, across)
            nearest = np.nanmin(np.where(radius == 0, np.inf, radius))
            found = {axis: height * nearest / radius, "arc_length": nearest * np.arctan2(across, along)}
            found["arc_length"][radius == 0] = np.nan
    if projection.flip_x and "x" in found:
        found["x"] = -found["x"]
    return found


def _edges(places: Floats, bins: int) -> Floats:
    low, high = float(places.min()), float(places.max())
    if high == low:
        low, high = low - _ALONE_M / 2, high + _ALONE_M / 2
    return np.linspace(low, high, bins + 1)


def _of_lattice(detector: Detector, lattice: Lattice) -> Floats:
    sizes = tuple(detector.dims.values())
    index = dict(zip(detector.dims, np.indices(sizes, np.float64, sparse=True), strict=True))
    a, b, c = (
        np.broadcast_to(begin + sum(index[dim] * step[i] for dim, step in lattice.steps.items()), sizes).ravel()
        for i, begin in enumerate(lattice.origin)
    )
    if lattice.coordinates == "cylindrical":
        a, b = a * np.cos(np.radians(b)), a * np.sin(np.radians(b))
    return np.stack([a, b, c], axis=1)


def _of_file(detector: Detector, geometry: str) -> Floats:
    from testbeam.nexus.positions import pixel_positions  # late: HDF5

    try:
        numbers, positions = pixel_positions(Path(geometry), detector.name)
    except NexusError as error:
        raise SettingsError("geometry", geometry, f"a NeXus file with the places of {detector.name}; {error}") from None
    index = numbers - detector.first_id
    known = (index >= 0) & (index < detector.pixels)
    if not known.any():
        wanted = f"{detector.first_id}…{detector.last_id}"
        raise SettingsError("geometry", geometry, f"a file in which {detector.name} has pixels of the numbers {wanted}")
    found = np.full((detector.pixels, 3), np.nan)
    found[index[known]] = positions[known]
    return found
