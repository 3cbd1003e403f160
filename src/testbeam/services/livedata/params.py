"""Parameters of a start command, checked: bin edges, ranges, modes.

Missing ones have their defaults, unknown ones are ignored, as ESSlivedata does; one with a value that can't be used refuses the start.
Source: docs/reference/contracts/livedata.md, "Parameters".
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import SettingsError
from testbeam.model.time import NS_PER_S

NS_PER = {"ns": 1.0, "us": 1e3, "μs": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9}
ANGSTROM_PER = {"angstrom": 1.0, "Å": 1.0, "nm": 10.0}
PULSES_PER_S = 14.0
PULSE_PERIOD_MS = 71.43  # 14 pulses a second, rounded up so that no event of a pulse is beyond the last edge
MOST_BINS = 10_000
H_OVER_M_ANGSTROM = 3956.034  # Å·m/s: Planck's constant over the neutron's mass

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A histogram's axis of time: `(n + 1,)` edges in `unit`, and what they are in ns after the pulse.

    With a `period_ns` times of arrival say only when in a period neutrons came: the edges cover one at most, and a time belongs to them
    after as many whole periods as it takes to reach the first.
    """

    name: str
    unit: str
    edges: Floats
    edges_ns: Floats
    period_ns: int = 0

    @property
    def bins(self) -> int:
        """Return how many bins there are."""
        return len(self.edges) - 1


def time_axis(params: Mapping[str, Any], flight_path_m: float | None) -> tuple[Axis, tuple[int, int]]:
    """Return the axis of the mode that is asked for, and which bins are in range, first and last but one.

    Raises:
        SettingsError: a parameter can't be used, or wavelengths are asked for where no flight path is known.
    """
    mode = _part(params, "coordinate_mode").get("mode", "toa")
    if mode not in ("toa", "wavelength"):
        raise SettingsError("coordinate_mode", mode, "toa or wavelength")
    if mode == "toa":
        edges, unit = _edges(params, "toa_edges", 0.0, PULSE_PERIOD_MS, "ms", NS_PER)
        axis = Axis(name="time_of_arrival", unit=unit, edges=edges, edges_ns=edges * NS_PER[unit])
        return axis, _range(params, "toa_range", axis, "us", NS_PER)
    if flight_path_m is None:
        raise SettingsError("coordinate_mode", mode, "toa: the instrument's file gives no flight path for this source")
    edges, unit = _edges(params, "wavelength_edges", 1.0, 10.0, "angstrom", ANGSTROM_PER)
    ns_per_angstrom = flight_path_m / H_OVER_M_ANGSTROM * 1e9
    edges_ns = edges * (ANGSTROM_PER[unit] * ns_per_angstrom)
    axis = Axis(name="wavelength", unit=unit, edges=edges, edges_ns=edges_ns, period_ns=_period_ns(params, edges, edges_ns))
    return axis, _range(params, "wavelength_range", axis, "angstrom", ANGSTROM_PER)


def _period_ns(params: Mapping[str, Any], edges: Floats, edges_ns: Floats) -> int:
    """Return the period of the pulses where frames are to be unwrapped, else 0."""
    frequency_hz = _number(_part(params, "frame_unwrapping"), "frame_unwrapping", "frequency", PULSES_PER_S)
    if not 0.1 <= frequency_hz <= 10_000:
        raise SettingsError("frame_unwrapping.frequency", frequency_hz, "pulses per second, from 0.1 to 10,000")
    if not flag(params, "frame_unwrapping"):
        return 0
    period_ns, band_ns = round(NS_PER_S / frequency_hz), float(edges_ns[-1] - edges_ns[0])
    if band_ns > period_ns:
        widest = (edges[-1] - edges[0]) * period_ns / band_ns
        raise SettingsError(
            "wavelength_edges.stop", float(edges[-1]), f"at most {edges[0] + widest:.6g}: one frame is {widest:.6g} wide here"
        )
    return period_ns


def flag(params: Mapping[str, Any], group: str, name: str = "enabled") -> bool:
    """Return a yes or no within a group of parameters.

    Raises:
        SettingsError: it is neither.
    """
    value = _part(params, group).get(name, False)
    if not isinstance(value, bool):
        raise SettingsError(f"{group}.{name}", value, "true or false")
    return value


def whole(params: Mapping[str, Any], group: str, name: str, default: int) -> int:
    """Return a whole number within a group of parameters.

    Raises:
        SettingsError: it is none.
    """
    value = _part(params, group).get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise SettingsError(f"{group}.{name}", value, "a whole number")
    return value


def edges_of(
    params: Mapping[str, Any], group: str, start: float, stop: float, unit: str, units: Mapping[str, float], bins: int = 100
) -> tuple[Floats, str]:
    """Return the edges that a group of parameters asks for, in its unit.

    Raises:
        SettingsError: a parameter can't be used.
    """
    return _edges(params, group, start, stop, unit, units, bins)


def _edges(
    params: Mapping[str, Any], group: str, start: float, stop: float, unit: str, units: Mapping[str, float], bins: int = 100
) -> tuple[Floats, str]:
    given = _part(params, group)
    low, high = _number(given, group, "start", start), _number(given, group, "stop", stop)
    count, scale = given.get("num_bins", bins), given.get("scale", "linear")
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST_BINS:
        raise SettingsError(f"{group}.num_bins", count, f"a whole number from 1 to {MOST_BINS}")
    if high <= low:
        raise SettingsError(f"{group}.stop", high, f"a number greater than start, {low}")
    if scale not in ("linear", "log") or (scale == "log" and low <= 0):
        raise SettingsError(f"{group}.scale", scale, "linear, or log with a start above 0")
    spaced = np.linspace if scale == "linear" else np.geomspace
    return spaced(low, high, count + 1), _unit(given, group, unit, units)


def _range(params: Mapping[str, Any], group: str, axis: Axis, unit: str, units: Mapping[str, float]) -> tuple[int, int]:
    """Return the bins in range: those that reach into it, as a slice by value takes them."""
    given = _part(params, group)
    low, high = _number(given, group, "start", 0.0), _number(given, group, "stop", 10.0)
    if high <= low:
        raise SettingsError(f"{group}.stop", high, f"a number greater than start, {low}")
    scale = units[_unit(given, group, unit, units)] / units[axis.unit]
    if not flag(params, group):
        return 0, axis.bins
    first = max(0, int(np.searchsorted(axis.edges, low * scale, "right")) - 1)
    last = min(axis.bins, int(np.searchsorted(axis.edges, high * scale, "left")))
    return min(first, last), last


def _part(params: Mapping[str, Any], group: str) -> Mapping[str, Any]:
    part = params.get(group)
    if part is None:
        return {}
    if not isinstance(part, Mapping):
        raise SettingsError(group, part, "an object of parameters")
    return part


def _number(given: Mapping[str, Any], group: str, name: str, default: float) -> float:
    value = given.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SettingsError(f"{group}.{name}", value, "a number")
    return float(value)


def _unit(given: Mapping[str, Any], group: str, default: str, units: Mapping[str, float]) -> str:
    unit = given.get("unit", default)
    if unit not in units:
        raise SettingsError(f"{group}.unit", unit, f"one of {', '.join(units)}")
    return str(unit)
