"""Counting of events: which bin of time, which cell of a view, and how many are in each.

A counter has a place for every event it is given: beyond the bins of time is one more column, beyond the cells are two more rows (ids
that no pixel has, pixels that the view leaves out). So nothing is filtered, and what is not in the histogram is known exactly.

numba, where it is installed, counts as the events come; numpy alone makes several passes with arrays between them.
"""

import os
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.instruments.pixels import PixelTable
from testbeam.services.livedata.params import Axis

Events = NDArray[np.int32]
Counts = NDArray[np.int64]

MOST_CUBE_CELLS = 16_000_000  # cells × bins that may be kept apart, 64 MB
PARTIALS = 4  # partial spectra that are counted into in turn, so that events of one bin need not wait for each other

_NO_NUMBA = "TESTBEAM_NO_NUMBA"
_MOST_SLOTS = 65_536
_STRETCH = 32_768  # events that stay in the cache from one loop to the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """Times of flight as slots of equal length, a power of two in ns and none longer than a bin, so that each holds one edge at most.

    `bin_of[(time - start) >> shift]` is the bin at a slot's beginning; from `uppers[bin]` on, counted from `start`, it is the next one. A
    time below `start` wraps in 32 bits to one beyond `span`.
    """

    start: int
    span: int
    shift: int
    bin_of: NDArray[np.uint16]
    uppers: NDArray[np.uint32]


class TimeBins:
    """Finds the bin of a time of flight, exactly: `index` gives the number of bins for times outside."""

    def __init__(self, axis: Axis) -> None:
        self.bins = axis.bins
        self.thresholds = np.clip(np.ceil(axis.edges_ns), -(2**62), 2**62).astype(np.int64)  # of whole ns, which times of flight are
        self.slots = _slots(self.thresholds)
        self._period_ns = axis.period_ns

    def unwrapped(self, time_ns: Events) -> Events:
        """Return times in the frame of the bins: later by whole periods, where arrivals repeat with one."""
        if not self._period_ns:
            return time_ns
        first = self.thresholds[0]
        later = (time_ns.astype(np.int64) - first) % self._period_ns + first
        found: Events = np.minimum(later, np.iinfo(np.int32).max).astype(np.int32)
        return found

    def index(self, time_ns: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return the bin of each time; outside it is `bins`."""
        slots = self.slots
        if slots is None:
            found: NDArray[np.int64] = np.searchsorted(self.thresholds, time_ns, "right") - 1
            found[(found < 0) | (found >= self.bins)] = self.bins
            return found
        since_start = (time_ns - np.int32(slots.start)).view(np.uint32)
        found = slots.bin_of[np.minimum(since_start >> np.uint32(slots.shift), np.uint32(len(slots.bin_of) - 1))].astype(np.int64)
        found += since_start >= slots.uppers[found]
        found[since_start >= slots.span] = self.bins
        return found


def _slots(thresholds: NDArray[np.int64]) -> Slots | None:
    """Return the slots of bins; None where they would be too many, or reach beyond what 32 bits hold."""
    low, high = -(2**31), 2**31
    edges = np.clip(thresholds, low, high)
    start, span = int(edges[0]), int(edges[-1] - edges[0])
    shift = max(int(np.diff(edges).min()), 1).bit_length() - 1
    count = (span >> shift) + 1
    if start == high or not 0 < span < 2**32 or count > _MOST_SLOTS:
        return None
    begins = start + (np.arange(count, dtype=np.int64) << shift)
    bin_of = np.minimum(np.searchsorted(edges, begins, "right") - 1, len(edges) - 2)
    return Slots(start=start, span=span, shift=shift, bin_of=bin_of.astype(np.uint16), uppers=(edges[1:] - start).astype(np.uint32))


class TimeCounter:
    """Counts by bins of time alone, as a monitor's."""

    def __init__(self, axis: Axis) -> None:
        self._bins = TimeBins(axis)
        self._counts = np.zeros(axis.bins + 1, np.int64)
        self._partial_spectra = np.zeros((PARTIALS, axis.bins), np.int64)

    def add(self, time_ns: Events) -> None:
        """Count events."""
        time_ns = self._bins.unwrapped(time_ns)
        counting, slots = ONE_PASS.counting, self._bins.slots
        if counting is not None and slots is not None and counting.highest(time_ns, slots.start) < slots.span:
            counting.add_spectrum(self._partial_spectra, time_ns, slots.start, slots.shift, slots.bin_of, slots.uppers)
        else:
            self._counts += np.bincount(self._bins.index(time_ns), minlength=len(self._counts))

    def clear(self) -> None:
        """Begin anew."""
        self._counts[:] = 0
        self._partial_spectra[:] = 0

    @property
    def spectrum(self) -> Counts:
        """Return the counts of each bin; `(bins,)`."""
        counts: Counts = self._counts[:-1] + self._partial_spectra.sum(axis=0)
        return counts

    @property
    def outside(self) -> int:
        """Return how many events were in no bin."""
        return int(self._counts[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Events that are in no cell and bin."""

    unknown_pixel: int
    not_in_view: int
    outside_times: int


class CubeCounter:
    """Counts by cell and bin of time, 4 bytes each: images and spectra of any region follow from it."""

    def __init__(self, table: PixelTable, axis: Axis) -> None:
        self._bins = TimeBins(axis)
        self._cells = table.cells
        self._first_id = table.first_id
        self._rows = rows_of(table)
        self._flat = np.zeros((table.cells + 2) * (axis.bins + 1), np.int32)
        self._cube = self._flat.reshape(table.cells + 2, axis.bins + 1)

    def add(self, pixel_id: Events, time_ns: Events) -> None:
        """Count events."""
        time_ns = self._bins.unwrapped(time_ns)
        bins, slots = self._bins, self._bins.slots
        if ONE_PASS.counting is not None and slots is not None:
            of_time = slots.start, slots.span, slots.shift, slots.bin_of, slots.uppers
            ONE_PASS.counting.cube(self._flat, self._rows, self._first_id, pixel_id, time_ns, *of_time)
            return
        place = row_index(self._rows, self._first_id, pixel_id).astype(np.int64)
        place *= bins.bins + 1
        place += bins.index(time_ns)
        np.add.at(self._flat, place, np.int32(1))

    def clear(self) -> None:
        """Begin anew."""
        self._flat[:] = 0

    @property
    def counts(self) -> NDArray[np.int32]:
        """Return a view of the counts; `(cells, bins)`."""
        return self._cube[: self._cells, :-1]

    @property
    def lost(self) -> Lost:
        """Return how many events were in no cell or bin."""
        return Lost(
            unknown_pixel=int(self._cube[self._cells].sum(dtype=np.int64)),
            not_in_view=int(self._cube[self._cells + 1].sum(dtype=np.int64)),
            outside_times=int(self._cube[: self._cells, -1].sum(dtype=np.int64)),
        )


class ImageCounter:
    """Counts an image within a range of bins, a spectrum, and spectra of up to eight regions: memory of cells + bins.

    Compiled, a stretch of events that are all in the view and the times, without regions, takes two loops that decide nothing, half the
    time of the one that looks at each event.
    """

    REGIONS = 8

    def __init__(self, table: PixelTable, axis: Axis, in_range: tuple[int, int]) -> None:
        self._bins = TimeBins(axis)
        self._cells = table.cells
        self._first_id = table.first_id
        self._rows = rows_of(table)
        self._in_range = in_range
        self._image = np.zeros(table.cells + 2, np.int32)
        self._spectrum = np.zeros(axis.bins + 1, np.int64)
        self._partial_spectra = np.zeros((PARTIALS, axis.bins), np.int64)
        self._missed = np.zeros(2, np.int64)
        self._region_bits = np.zeros(table.cells + 2, np.uint8)
        self._has_regions = False
        self._is_identity = len(table.cell) == table.cells and bool((table.cell == np.arange(table.cells)).all())
        self._takes_all = in_range == (0, axis.bins) and bool((table.cell >= 0).all())
        self.regions = np.zeros((self.REGIONS, axis.bins), np.int64)

    def add(self, pixel_id: Events, time_ns: Events) -> None:
        """Count events."""
        time_ns = self._bins.unwrapped(time_ns)
        if ONE_PASS.counting is not None and self._bins.slots is not None:
            for begin in range(0, len(pixel_id), _STRETCH):
                self._add_compiled(self._bins.slots, pixel_id[begin : begin + _STRETCH], time_ns[begin : begin + _STRETCH])
            return
        row, index = row_index(self._rows, self._first_id, pixel_id), self._bins.index(time_ns)
        missed = row >= self._cells
        self._missed += np.bincount(row[missed] - self._cells, minlength=2)
        index[missed] = self._bins.bins
        self._spectrum += np.bincount(index, minlength=len(self._spectrum))
        self._spectrum[-1] -= int(missed.sum())
        first, last = self._in_range
        np.add.at(self._image, row[(index >= first) & (index < last)], np.int32(1))
        if self._has_regions:
            self._add_regions(row, index)

    def set_regions(self, masks: dict[int, NDArray[np.bool_]]) -> None:
        """Count spectra of these regions from now on: index → `(cells,)` mask; those of regions that stay go on."""
        old = self._region_bits.copy()
        self._region_bits[:] = 0
        for index, mask in masks.items():
            self._region_bits[: self._cells] |= mask.astype(np.uint8) << np.uint8(index)
        self._has_regions = bool(self._region_bits.any())
        for index in range(self.REGIONS):
            if np.any((old ^ self._region_bits) >> np.uint8(index) & 1):
                self.regions[index] = 0

    def clear(self) -> None:
        """Begin anew."""
        for counts in (self._image, self._spectrum, self._partial_spectra, self._missed, self.regions):
            counts[...] = 0

    @property
    def image(self) -> NDArray[np.int32]:
        """Return a view of the image; `(cells,)`."""
        return self._image[: self._cells]

    @property
    def spectrum(self) -> Counts:
        """Return the counts of each bin; `(bins,)`."""
        counts: Counts = self._spectrum[:-1] + self._partial_spectra.sum(axis=0)
        return counts

    @property
    def lost(self) -> Lost:
        """Return how many events were in no cell or bin."""
        unknown, not_in_view = map(int, self._missed)
        return Lost(unknown_pixel=unknown, not_in_view=not_in_view, outside_times=int(self._spectrum[-1]))

    def _add_compiled(self, slots: Slots, pixel_id: Events, time_ns: Events) -> None:
        counting = ONE_PASS.counting
        if self._takes_all and not self._has_regions and self._are_all_in(slots, pixel_id, time_ns):
            counting.add_spectrum(self._partial_spectra, time_ns, slots.start, slots.shift, slots.bin_of, slots.uppers)
            if self._is_identity:
                counting.add_pixels(self._image, pixel_id, self._first_id)
            else:
                counting.add_rows(self._image, self._rows, pixel_id, self._first_id)
            return
        counts = self._image, self._spectrum, self._missed, self._region_bits, self.regions, self._has_regions
        pixels = self._rows, self._is_identity, self._first_id, pixel_id
        counting.image(*counts, *pixels, time_ns, slots.start, slots.span, slots.shift, slots.bin_of, slots.uppers, *self._in_range)

    def _are_all_in(self, slots: Slots, pixel_id: Events, time_ns: Events) -> bool:
        highest = ONE_PASS.counting.highest
        return bool(highest(pixel_id, self._first_id) < len(self._rows) - 1 and highest(time_ns, slots.start) < slots.span)

    def _add_regions(self, row: NDArray[np.int32], index: NDArray[np.int64]) -> None:
        inside = index < self._bins.bins
        bits, index = self._region_bits[row[inside]], index[inside]
        for region in range(self.REGIONS):
            members = (bits >> np.uint8(region) & 1).astype(bool)
            if members.any():
                self.regions[region] += np.bincount(index[members], minlength=self._bins.bins)


def rows_of(table: PixelTable) -> NDArray[np.int32]:
    """Return the row of each pixel, and behind them that of ids which no pixel has."""
    unknown, not_in_view = np.int32(table.cells), np.int32(table.cells + 1)
    return np.append(np.where(table.cell < 0, not_in_view, table.cell), unknown).astype(np.int32)


def row_index(rows: NDArray[np.int32], first_id: int, pixel_id: Events) -> NDArray[np.int32]:
    """Return the row of each event."""
    place = (pixel_id - np.int32(first_id)).view(np.uint32)  # below the first id it wraps, beyond any pixel
    return rows[np.minimum(place, np.uint32(len(rows) - 1))]


@dataclass(slots=True)
class OnePass:
    """The compiled counting once it is loaded; until then, and without numba, `counting` is None and numpy alone counts the same."""

    counting: Any = None

    def load(self) -> Any:
        """Load and compile it now; return None where numba is not installed or not wanted."""
        if os.environ.get(_NO_NUMBA):
            return None
        try:
            from testbeam.services.livedata import counting_in_one_pass
        except ImportError:
            return None
        counting_in_one_pass.compile_all()
        self.counting = counting_in_one_pass
        return self.counting

    def load_beside(self) -> None:
        """Load it in a thread of its own, which takes a second or two the first time."""
        threading.Thread(target=self.load, name="load numba", daemon=True).start()


ONE_PASS = OnePass()
