"""Geometry of a flat panel's pixels, the source and the monitor, read from an instrument's file."""

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import SettingsError
from testbeam.instruments.loader import Instrument


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """Distances along the beam and, for each pixel in row order, its id and its place across the beam; the sample is at 0."""

    source_to_sample_m: float
    source_to_monitor_m: float
    sample_to_panel_m: float
    detector_number: NDArray[np.int32]
    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]

    @classmethod
    def of(cls, instrument: Instrument) -> "Geometry":
        """Return the geometry of an instrument's first detector and first monitor.

        Raises:
            SettingsError: the instrument's file does not say where they are.
        """
        panel, monitor, source = next(iter(instrument.detectors), None), next(iter(instrument.monitors), None), instrument.neutron_source
        if panel is None or panel.flat is None or monitor is None or monitor.distance_m is None or source is None:
            needed = "an instrument whose file has a `neutron_source`, a `flat` first detector, and a first monitor with its `distance_m`"
            raise SettingsError("--instrument", instrument.name, needed)
        *rows, columns = panel.dims.values()
        x_m, y_m = np.meshgrid(panel.flat.offsets_m(columns), panel.flat.offsets_m(prod(rows)))
        return cls(
            source_to_sample_m=source.distance_m,
            source_to_monitor_m=monitor.distance_m,
            sample_to_panel_m=panel.flat.distance_m,
            detector_number=np.arange(panel.first_id, panel.last_id + 1, dtype=np.int32),
            x_m=x_m.ravel(),
            y_m=y_m.ravel(),
        )
