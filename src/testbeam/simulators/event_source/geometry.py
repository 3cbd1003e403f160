"""Geometry of the panel's pixels, the source and the monitor, read from the shipped instrument."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.nexus import structure
from testbeam.nexus.demo_instrument import fragment


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """Distances along the beam and, for each pixel in row order, its id and its place across the beam; the sample is at 0."""

    source_to_sample_m: float
    source_to_monitor_m: float
    sample_to_panel_m: float
    detector_number: NDArray[np.int32]
    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]


def shipped() -> Geometry:
    """Return the geometry of the instrument that testbeam ships."""
    node = fragment(detector_topic="-", monitor_topic="-")
    values = _values(structure.parse(json.dumps({"children": [node]})))
    x_m, y_m = np.meshgrid(values["/instrument/panel/x_pixel_offset"], values["/instrument/panel/y_pixel_offset"])
    source_m = float(values["/instrument/source/distance"])
    return Geometry(
        source_to_sample_m=-source_m,
        source_to_monitor_m=float(values["/instrument/monitor/distance"]) - source_m,
        sample_to_panel_m=float(values["/instrument/panel/distance"]),
        detector_number=values["/instrument/panel/detector_number"].ravel(),
        x_m=x_m.ravel(),
        y_m=y_m.ravel(),
    )


def _values(root: structure.Group) -> dict[str, NDArray[Any]]:
    return {
        f"{group.path}/{child.name}": child.value
        for group in root.groups()
        for child in group.children
        if isinstance(child, structure.Dataset)
    }
