"""Counting in one pass over the events, compiled by numba at first use and kept on disk."""

from typing import Any

import numpy as np
from numba import njit  # type: ignore[import-untyped,import-not-found,unused-ignore]


@njit(cache=True, nogil=True, fastmath=False)  # type: ignore[untyped-decorator,unused-ignore]
def cube(
    flat: Any, rows: Any, first_id: int, pixel_id: Any, time_ns: Any, thresholds: Any, start: float, per_ns: float
) -> None:  # pragma: no cover - compiled
    """Count into `(rows, bins + 1)` counts, laid out flat."""
    bins = len(thresholds) - 1
    unknown = len(rows) - 1
    for event in range(len(pixel_id)):
        place = np.int64(pixel_id[event]) - first_id
        row = rows[place] if 0 <= place < unknown else rows[unknown]
        time = time_ns[event]
        index = np.int64(bins)
        if thresholds[0] <= time < thresholds[bins]:
            index = np.int64((time - start) * per_ns)
            if index >= bins:
                index = np.int64(bins - 1)
            if time < thresholds[index]:
                index -= 1
            elif time >= thresholds[index + 1]:
                index += 1
        flat[row * (bins + 1) + index] += 1


@njit(cache=True, nogil=True, fastmath=False)  # type: ignore[untyped-decorator,unused-ignore]
def image(  # noqa: C901 - one loop, compiled as it stands
    image: Any,
    spectrum: Any,
    missed: Any,
    region_bits: Any,
    regions: Any,
    has_regions: bool,
    rows: Any,
    is_identity: bool,
    first_id: int,
    pixel_id: Any,
    time_ns: Any,
    thresholds: Any,
    start: float,
    per_ns: float,
    first: int,
    last: int,
) -> None:  # pragma: no cover - compiled
    """Count into an image, a spectrum and the spectra of regions.

    Tables of a million pixels are out of the cache: each that need not be looked at saves a third of the time.
    """
    bins = len(thresholds) - 1
    unknown = len(rows) - 1
    cells = len(image) - 2
    low, high = thresholds[0], thresholds[bins]
    for event in range(len(pixel_id)):
        place = np.int64(pixel_id[event]) - first_id
        if place < 0 or place >= unknown:
            missed[0] += 1
            continue
        row = place
        if not is_identity:
            row = np.int64(rows[place])
            if row >= cells:
                missed[row - cells] += 1
                continue
        time = time_ns[event]
        if time < low or time >= high:
            spectrum[bins] += 1
            continue
        index = np.int64((time - start) * per_ns)
        if index >= bins:
            index = np.int64(bins - 1)
        if time < thresholds[index]:
            index -= 1
        elif time >= thresholds[index + 1]:
            index += 1
        spectrum[index] += 1
        if first <= index < last:
            image[row] += 1
        if has_regions and region_bits[row]:
            bits = region_bits[row]
            for region in range(8):
                if bits >> region & 1:
                    regions[region, index] += 1


def compile_all() -> None:
    """Compile for the types that are used, or read what was compiled before from disk."""
    nothing, counts, edges = np.empty(0, np.int32), np.zeros(4, np.int64), np.arange(3, dtype=np.int64)
    nothing.flags.writeable = False  # as events in a message are
    rows, bits, regions = np.zeros(2, np.int32), np.zeros(3, np.uint8), np.zeros((8, 2), np.int64)
    for events in (nothing, np.empty(0, np.int32)):
        cube(np.zeros(9, np.int32), rows, 1, events, events, edges, 0.0, 1.0)
        picture = np.zeros(3, np.int32), counts, counts[:2], bits, regions, False
        image(*picture, rows, False, 1, events, events, edges, 0.0, 1.0, 0, 2)
