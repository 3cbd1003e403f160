"""Counting of events by loops that numba compiles at first use and keeps on disk.

Pixels and times are taken as 32 bits without sign, counted from the first: what lies below wraps to beyond the last.
"""

from typing import Any

import numpy as np
from numba import njit  # type: ignore[import-untyped,import-not-found,unused-ignore]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator,unused-ignore]
def highest(values: Any, low: int) -> Any:  # pragma: no cover - compiled
    """Return the highest of values counted from `low`."""
    top, first = np.uint32(0), np.uint32(low)
    for event in range(len(values)):
        top = max(top, np.uint32(np.uint32(values[event]) - first))
    return top


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator,unused-ignore]
def add_spectrum(partials: Any, time_ns: Any, start: int, shift: int, bin_of: Any, uppers: Any) -> None:  # pragma: no cover - compiled
    """Count times that are all within the bins into partial spectra, one after the other; there are 2ⁿ of them."""
    first, bits, last = np.uint32(start), np.uint32(shift), len(partials) - 1
    for event in range(len(time_ns)):
        time = np.uint32(np.uint32(time_ns[event]) - first)
        index = np.int64(bin_of[time >> bits])
        index += time >= uppers[index]
        partials[event & last, index] += 1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator,unused-ignore]
def add_pixels(image: Any, pixel_id: Any, first_id: int) -> None:  # pragma: no cover - compiled
    """Count pixels that are all known into an image whose cells they are."""
    first = np.uint32(first_id)
    for event in range(len(pixel_id)):
        image[np.uint32(np.uint32(pixel_id[event]) - first)] += 1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator,unused-ignore]
def add_rows(image: Any, rows: Any, pixel_id: Any, first_id: int) -> None:  # pragma: no cover - compiled
    """Count pixels that are all known into the rows they have."""
    first = np.uint32(first_id)
    for event in range(len(pixel_id)):
        image[rows[np.uint32(np.uint32(pixel_id[event]) - first)]] += 1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator,unused-ignore]
def cube(
    flat: Any, rows: Any, first_id: int, pixel_id: Any, time_ns: Any, start: int, span: int, shift: int, bin_of: Any, uppers: Any
) -> None:  # pragma: no cover - compiled
    """Count into `(rows, bins + 1)` counts, laid out flat."""
    bins, unknown = len(uppers), len(rows) - 1
    first, first_ns, bits = np.uint32(first_id), np.uint32(start), np.uint32(shift)
    for event in range(len(pixel_id)):
        place = np.uint32(np.uint32(pixel_id[event]) - first)
        row = np.int64(rows[place] if place < unknown else rows[unknown])
        time = np.uint32(np.uint32(time_ns[event]) - first_ns)
        index = np.int64(bins)
        if time < span:
            index = np.int64(bin_of[time >> bits])
            index += time >= uppers[index]
        flat[row * (bins + 1) + index] += 1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator,unused-ignore]
def image(
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
    start: int,
    span: int,
    shift: int,
    bin_of: Any,
    uppers: Any,
    first: int,
    last: int,
) -> None:  # pragma: no cover - compiled
    """Count into an image, a spectrum and the spectra of regions, whatever the pixels and times.

    Tables of a million pixels are out of the cache: each that need not be looked at saves a third of the time.
    """
    bins, unknown, cells = len(uppers), len(rows) - 1, len(image) - 2
    first_pixel, first_ns, bits = np.uint32(first_id), np.uint32(start), np.uint32(shift)
    for event in range(len(pixel_id)):
        place = np.uint32(np.uint32(pixel_id[event]) - first_pixel)
        if place >= unknown:
            missed[0] += 1
            continue
        row = np.int64(place)
        if not is_identity:
            row = np.int64(rows[place])
            if row >= cells:
                missed[row - cells] += 1
                continue
        time = np.uint32(np.uint32(time_ns[event]) - first_ns)
        if time >= span:
            spectrum[bins] += 1
            continue
        index = np.int64(bin_of[time >> bits])
        index += time >= uppers[index]
        spectrum[index] += 1
        if first <= index < last:
            image[row] += 1
        if has_regions and region_bits[row]:
            of_row = region_bits[row]
            for region in range(8):
                if of_row >> region & 1:
                    regions[region, index] += 1


def compile_all() -> None:
    """Compile for the types that are used, or read what was compiled before from disk."""
    nothing, counts, cells = np.empty(0, np.int32), np.zeros(4, np.int64), np.zeros(3, np.int32)
    nothing.flags.writeable = False  # as events in a message are
    rows, bits, regions = np.zeros(2, np.int32), np.zeros(3, np.uint8), np.zeros((8, 2), np.int64)
    bin_of, uppers = np.zeros(2, np.uint16), np.ones(2, np.uint32)
    for events in (nothing, np.empty(0, np.int32)):
        highest(events, 0)
        add_spectrum(regions, events, 0, 0, bin_of, uppers)
        add_pixels(cells, events, 1)
        add_rows(cells, rows, events, 1)
        cube(np.zeros(9, np.int32), rows, 1, events, events, 0, 2, 0, bin_of, uppers)
        picture = cells, counts, counts[:2], bits, regions, False
        image(*picture, rows, False, 1, events, events, 0, 2, 0, bin_of, uppers, 0, 2)
