"""Events of a pulse: the same seed and pulse give the same events, however many pulses are made before or beside it."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from testbeam.model.samples import Events
from testbeam.simulators.event_source import pattern, spectrum
from testbeam.simulators.event_source.geometry import Geometry

Raw: TypeAlias = NDArray[np.uint64]

_PANEL, _MONITOR = 0, 1
_TIME_BITS, _FRACTION_BITS = 16, 12  # of a random word: which quantile, and how far into it; the topmost 18 choose a place
_MONITOR_PIXEL = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Times of flight as a table: quantile → start and length in ns."""

    start_ns: NDArray[np.int64]
    length_ns: NDArray[np.int64]

    @classmethod
    def of(cls, bounds_ns: NDArray[np.float64]) -> "Arrivals":
        """Return the table for rising bounds."""
        whole = bounds_ns.astype(np.int64)
        return cls(start_ns=whole[:-1], length_ns=np.diff(whole))

    def times_ns(self, raw: Raw) -> NDArray[np.int32]:
        """Return a time of flight for each random word."""
        quantile = quantiles(raw)
        fraction = (raw >> np.uint64(_TIME_BITS) & np.uint64((1 << _FRACTION_BITS) - 1)).view(np.int64)
        return (self.start_ns[quantile] + (self.length_ns[quantile] * fraction >> _FRACTION_BITS)).astype(np.int32)


class Beam:
    """Makes events of the panel and of the monitor; the tables are made once (some 30 ms)."""

    def __init__(self, geometry: Geometry, seed: int) -> None:
        self._seed = seed
        path_m = geometry.source_to_sample_m + geometry.sample_to_panel_m
        bounds_ns = spectrum.arrival_quantiles(path_m, spectrum.IRON)
        self._panel = Arrivals.of(bounds_ns)
        self._monitor = Arrivals.of(spectrum.arrival_quantiles(geometry.source_to_monitor_m, spectrum.ALUMINIUM, line_share=0.06))
        wavelengths = spectrum.wavelength(bounds_ns[:-1], path_m)
        self._band = np.searchsorted(pattern.BANDS_ANGSTROM, wavelengths).astype(np.int8)
        self._places = _place_tables(geometry, wavelengths, self._band)

    def panel_events(self, source_name: str, pulse: int, time_ns: int, n: int) -> Events:
        """Return the n events that the panel sees of a pulse."""
        raw = self._raw(_PANEL, pulse, n)
        place = (raw >> np.uint64(64 - 18)).view(np.int64)
        pixel_id = self._places[self._band[quantiles(raw)], place]
        return _events(source_name, pulse, time_ns, self._panel.times_ns(raw), pixel_id)

    def monitor_events(self, source_name: str, pulse: int, time_ns: int, n: int) -> Events:
        """Return the n events that the monitor sees of a pulse: it is one pixel, whose id each event bears."""
        return _events(
            source_name, pulse, time_ns, self._monitor.times_ns(self._raw(_MONITOR, pulse, n)), np.full(n, _MONITOR_PIXEL, np.int32)
        )

    def _raw(self, stream: int, pulse: int, n: int) -> Raw:
        # A counter-based generator: each pulse has a stretch of its own, so no pulse depends on another. Its raw words, unlike
        # numpy's distributions, stay the same in all versions.
        words = np.random.Philox(key=[self._seed, stream], counter=[0, 0, pulse, 0]).random_raw(n)
        return np.asarray(words, np.uint64)


def quantiles(raw: Raw) -> NDArray[np.int64]:
    """Return which quantile of the time of flight each random word chooses."""
    return (raw & np.uint64(spectrum.QUANTILES - 1)).view(np.int64)


def _place_tables(geometry: Geometry, wavelengths: NDArray[np.float64], band: NDArray[np.int8]) -> NDArray[np.int32]:
    tables = []
    for number in range(len(pattern.BANDS_ANGSTROM) + 1):
        members = wavelengths[band == number]
        weights = pattern.picture(geometry, max(members[0], 0.5), members[-1])
        tables.append(pattern.place_table(weights, geometry.detector_number))
    return np.stack(tables)


def _events(source_name: str, pulse: int, time_ns: int, time_of_flight_ns: NDArray[np.int32], pixel_id: NDArray[np.int32]) -> Events:
    return Events(
        source_name=source_name,
        message_id=pulse,
        reference_time_ns=np.array([time_ns], np.int64),
        reference_time_index=np.zeros(1, np.int32),
        time_of_flight_ns=time_of_flight_ns,
        pixel_id=pixel_id,
    )
