"""Pattern of the neutrons of a wavelength on the panel: what a lamellar powder and small particles scatter, behind a beam stop.

Silver behenate, the small-angle calibrant, has equidistant rings at multiples of q = 0.1076 Å⁻¹: sharp where the spectrum has its line.
"""

import numpy as np
from numpy.typing import NDArray

from testbeam.simulators.event_source.geometry import Geometry

PLACES = 1 << 18
BANDS_ANGSTROM = (1.8, 2.6, 3.4, 4.2, 5.08, 5.32, 6.4)
"""Bounds between bands of wavelengths; all neutrons of a band share one picture."""

_RING_Q = 0.1076  # 1/Å
_RING_WIDTH_Q = 0.0055
_PARTICLE_RADIUS_ANGSTROM = 14.0
_SAMPLES_PER_BAND = 9
_STOP_RADIUS_M = 0.036
_ARM_HALF_WIDTH_M = 0.006
_SHADOW = 0.004  # share of what hits the beam stop that is seen all the same

Floats = NDArray[np.float64]


def picture(geometry: Geometry, lowest_angstrom: float, highest_angstrom: float) -> Floats:
    """Return the relative intensity of each pixel, in row order, for neutrons between two wavelengths."""
    radius_m = np.hypot(geometry.x_m, geometry.y_m)
    two_theta = np.arctan2(radius_m, geometry.sample_to_panel_m)
    wavelengths = np.linspace(lowest_angstrom, highest_angstrom, _SAMPLES_PER_BAND)
    scattered = np.sum([intensity(4 * np.pi * np.sin(two_theta / 2) / angstrom) for angstrom in wavelengths], axis=0)
    arm = (np.abs(geometry.x_m) < _ARM_HALF_WIDTH_M) & (geometry.y_m < 0)
    stopped = (radius_m < _STOP_RADIUS_M) | arm
    seen: Floats = np.cos(two_theta) ** 3 * scattered * np.where(stopped, _SHADOW, 1.0)
    return seen


def intensity(q: Floats) -> Floats:
    """Return what the sample scatters at momentum transfer q (1/Å): spheres, lamellar rings, and a flat background."""
    qr = np.maximum(q * _PARTICLE_RADIUS_ANGSTROM, 1e-6)
    spheres = (3 * (np.sin(qr) - qr * np.cos(qr)) / qr**3) ** 2
    order = np.maximum(np.rint(q / _RING_Q), 1)
    rings = np.exp(-0.5 * ((q - order * _RING_Q) / _RING_WIDTH_Q) ** 2) / order**0.7
    scattered: Floats = spheres + 2.0 * rings + 0.03
    return scattered


def place_table(weights: Floats, detector_number: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return PLACES detector numbers in which each pixel stands as often as its weight says."""
    bounds = np.rint(np.cumsum(weights) * (PLACES / weights.sum())).astype(np.int64)
    return np.repeat(detector_number, np.diff(bounds, prepend=0))
