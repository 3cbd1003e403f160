"""At which wavelengths neutrons come, and when they arrive.

A cold moderator's Maxwellian seen through polycrystalline windows, whose Bragg scattering grows with the square of the wavelength and
ends at an edge (twice a lattice spacing), with a sharp line that a chopper lets through and the fast flash of the source itself.
"""

import numpy as np
from numpy.typing import NDArray

NS_PER_ANGSTROM_M = 252_778.2  # neutron mass over Planck's constant
FRAME_NS = 71_428_571  # of a 14 Hz source: what is slower belongs to the next pulse's frame and is left out
LINE_ANGSTROM = 5.2
QUANTILES = 1 << 16

_MODERATOR_K = 45.0
_KELVIN_ANGSTROM2 = 949.0  # λ² k T of a thermal neutron: h² / (2 m k)
_LINE_WIDTH_ANGSTROM = 0.05
_LINE_SHARE = 0.14
_FLASH_SHARE = 0.015
_FLASH_NS = 1_200_000.0
_BINS = 8192

Floats = NDArray[np.float64]

ALUMINIUM = ((4.676, 0.25), (4.050, 0.2), (2.863, 0.15), (2.442, 0.1))
IRON = ((4.054, 0.9), (2.866, 0.8), (2.340, 0.5), (2.027, 0.4))
"""Edges of a material as (wavelength in Å, optical thickness just below it)."""


def flux(wavelength_angstrom: Floats, edges: tuple[tuple[float, float], ...], line_share: float = _LINE_SHARE) -> Floats:
    """Return the relative number of neutrons per Å."""
    maxwellian = wavelength_angstrom**-5 * np.exp(-_KELVIN_ANGSTROM2 / (_MODERATOR_K * wavelength_angstrom**2))
    for edge, thickness in edges:
        maxwellian *= np.exp(-thickness * (wavelength_angstrom / edge) ** 2 * (wavelength_angstrom < edge))
    line = np.exp(-0.5 * ((wavelength_angstrom - LINE_ANGSTROM) / _LINE_WIDTH_ANGSTROM) ** 2)
    share: Floats = (1 - line_share) * maxwellian / maxwellian.sum() + line_share * line / line.sum()
    return share


def arrival_quantiles(path_m: float, edges: tuple[tuple[float, float], ...], line_share: float = _LINE_SHARE) -> Floats:
    """Return QUANTILES + 1 rising times of flight in ns: neighbours have the same number of neutrons between them."""
    bounds_ns = np.linspace(0, FRAME_NS, _BINS + 1)
    middle_ns = (bounds_ns[1:] + bounds_ns[:-1]) / 2
    neutrons = flux(wavelength(middle_ns, path_m), edges, line_share)
    flash = np.exp(-middle_ns / _FLASH_NS)
    density = (1 - _FLASH_SHARE) * neutrons / neutrons.sum() + _FLASH_SHARE * flash / flash.sum()
    cumulative = np.r_[0.0, np.cumsum(density)]
    return np.interp(np.linspace(0, cumulative[-1], QUANTILES + 1), cumulative, bounds_ns)


def wavelength(time_of_flight_ns: Floats, path_m: float) -> Floats:
    """Return the wavelength in Å of a neutron that needed this time for the path."""
    return time_of_flight_ns / (NS_PER_ANGSTROM_M * path_m)
