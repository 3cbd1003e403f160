"""Detector view: an image of one detector, its totals, and spectra of regions of interest.

An image and a spectrum are kept, and the spectrum of a region is counted from when it was drawn (`ImageCounter`). With the parameter
`region_history` counts are kept by cell and bin of time (`CubeCounter`), at two to four times the cost an event: the spectrum of a region
then covers all that was counted since the start.

Where the view has a spectrum, spectra of groups of pixels are kept beside, at about twice the cost an event.

Where the view has a position, each output bears its value as a coordinate; the job keeps the counts of two positions apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import SettingsError, WorkflowError
from testbeam.instruments.loader import Detector, Spectrum, View
from testbeam.instruments.pixels import PixelTable, group_table, pixels_of_cells
from testbeam.model.arrays import LabelledArray, Variable
from testbeam.services.livedata.counting import MOST_CUBE_CELLS, CubeCounter, ImageCounter, Lost
from testbeam.services.livedata.params import Axis, flag, time_axis, whole
from testbeam.services.livedata.regions import KINDS, Mask, Region, mask_of, readback, regions_of
from testbeam.services.livedata.workflows.seam import Data, EventData, LogSample, Output, Temporality, scalar

UNKNOWN_PIXEL = "no such pixel"
NOT_IN_VIEW = "pixel left out by the view"
OUTSIDE = "outside the histogram's times"

_WINDOW, _CUMULATIVE = Temporality.WINDOW, Temporality.CUMULATIVE


class DetectorView:
    """Counts since the start, and in each window as the difference to the window before."""

    def __init__(
        self,
        table: PixelTable,
        axis: Axis,
        in_range: tuple[int, int],
        *,
        regions: bool = True,
        weights: NDArray[Any] | None = None,
        history: bool = False,
        groups: PixelTable | None = None,
        units: str = "",
    ) -> None:
        self._table, self._axis, self._in_range = table, axis, in_range
        self._weights, self._units = weights, units
        of_axes = zip(table.axes, table.middles_m, strict=False)
        self._middles = tuple(Variable(name=name, data=middles, axes=(name,), unit="m") for name, middles in of_axes)
        self._edges = Variable(name=axis.name, data=axis.edges, axes=(axis.name,), unit=axis.unit)
        self._counted: _Cube | _Image = _Cube(table, axis, in_range) if history else _Image(table, axis, in_range)
        self._groups = groups
        self._of_groups = None if groups is None else CubeCounter(groups, axis)
        self._has_regions = regions
        self._regions: dict[str, dict[int, Region]] = {kind: {} for kind in KINDS}
        self._image_before: NDArray[Any] = self._counted.image()
        self._spectrum_before: NDArray[np.int64] = self._counted.spectrum()
        self._regions_before: dict[int, NDArray[np.int64]] = {}
        self._positions: dict[str, Variable] = {}

    @property
    def lost(self) -> Mapping[str, int]:
        """Return events that are in no cell or bin."""
        lost = self._counted.lost
        return {UNKNOWN_PIXEL: lost.unknown_pixel, NOT_IN_VIEW: lost.not_in_view, OUTSIDE: lost.outside_times}

    def add(self, source: str, data: Data) -> None:
        """Take events, a request of regions, or a position.

        Raises:
            WorkflowError: it is neither, events have no pixel ids, or the request is malformed.
        """
        if isinstance(data, EventData):
            if len(data.pixel_id) != len(data.time_of_flight_ns):
                raise WorkflowError(f"{source}: events without pixel ids are no detector's")
            self._counted.counter.add(data.pixel_id, data.time_of_flight_ns)
            if self._of_groups is not None:
                self._of_groups.add(data.pixel_id, data.time_of_flight_ns)
        elif isinstance(data, LabelledArray) and (kind := source.rpartition("/")[2]) in KINDS:
            self._set_regions(kind, regions_of(kind, data, lengths=bool(self._table.middles_m)))
        elif isinstance(data, LogSample):
            self._positions[source] = Variable(name=source, data=np.asarray(data.value), unit=self._units)
        else:
            raise WorkflowError(f"{source}: a detector's data are events, not {type(data).__name__}")

    def outputs(self) -> Sequence[Output]:
        """Return images, totals and counts in range, of the window and since the start, and spectra of the regions."""
        image, spectrum = self._counted.image(), self._counted.spectrum()
        window_image, window = image - self._image_before, spectrum - self._spectrum_before
        self._image_before, self._spectrum_before = image, spectrum
        ranged = slice(*self._in_range)
        found = (
            self._picture("cumulative", image, _CUMULATIVE, "Image"),
            self._picture("current", window_image, _WINDOW, "Image update"),
            scalar("counts_total_cumulative", spectrum.sum(), _CUMULATIVE, "Total"),
            scalar("counts_total", window.sum(), _WINDOW, "Total (update)"),
            scalar("counts_in_toa_range_cumulative", spectrum[ranged].sum(), _CUMULATIVE, "Total in range"),
            scalar("counts_in_toa_range", window[ranged].sum(), _WINDOW, "Total in range (update)"),
            *(self._region_outputs() if self._has_regions else ()),
            *self._spectra_of_groups(),
        )
        positions = tuple(self._positions.values())
        return tuple(replace(one, variables=(*one.variables, *positions)) for one in found) if positions else found

    def clear(self) -> None:
        """Begin anew; regions and positions stay."""
        self._counted.counter.clear()
        if self._of_groups is not None:
            self._of_groups.clear()
        self._image_before = self._counted.image()
        self._spectrum_before = self._counted.spectrum()
        self._regions_before = self._counted.regions()

    def _set_regions(self, kind: str, regions: dict[int, Region]) -> None:
        if not self._has_regions:
            raise WorkflowError("this view has no regions of interest")
        self._regions[kind] = regions
        masks = {i: self._mask(k, one).ravel() for k, some in self._regions.items() for i, one in some.items()}
        kept = self._counted.set_regions(masks)
        self._regions_before = {i: self._regions_before[i] if i in kept else now for i, now in self._counted.regions().items()}

    def _mask(self, kind: str, region: Region) -> Mask:
        indices = [np.arange(cells, dtype=np.float64) for cells in self._table.shape]
        rows, columns = indices if region.unit is None else self._table.middles_m
        return mask_of(kind, region, rows, columns)

    def _picture(self, name: str, image: NDArray[Any], temporality: Temporality, label: str) -> Output:
        shaped: NDArray[Any] = image.reshape(self._table.shape)
        if self._weights is not None:
            shaped = np.divide(shaped, self._weights, out=np.full(shaped.shape, np.nan), where=self._weights > 0)
        signal = Variable(name="signal", data=shaped, axes=self._table.axes, unit="counts", label=label)
        return Output(name=name, temporality=temporality, variables=(signal, *self._middles))

    def _region_outputs(self) -> tuple[Output, ...]:
        now = self._counted.regions()
        window = {index: counts - self._regions_before[index] for index, counts in now.items()}
        self._regions_before = now
        return (
            self._spectra("roi_spectra_cumulative", now, _CUMULATIVE, "ROI spectra"),
            self._spectra("roi_spectra_current", window, _WINDOW, "ROI spectra update"),
            *(Output(name=kind, temporality=_CUMULATIVE, variables=readback(kind, self._regions[kind])) for kind in KINDS),
        )

    def _spectra_of_groups(self) -> tuple[Output, ...]:
        if self._groups is None or self._of_groups is None:
            return ()
        counts = self._of_groups.counts.reshape(*self._groups.shape, self._axis.bins).copy()
        signal = Variable(name="signal", data=counts, axes=(*self._groups.axes, self._axis.name), unit="counts", label="Spectrum view")
        return (Output(name="spectrum_view", temporality=_CUMULATIVE, variables=(signal, self._edges)),)

    def _spectra(self, name: str, spectra: Mapping[int, NDArray[np.int64]], temporality: Temporality, label: str) -> Output:
        indices = sorted(spectra)
        counts = np.array([spectra[index] for index in indices], np.int64).reshape(len(indices), self._axis.bins)
        signal = Variable(name="signal", data=counts, axes=("roi", self._axis.name), unit="counts", label=label)
        roi = Variable(name="roi", data=np.array(indices, np.int32), axes=("roi",), unit="")
        return Output(name=name, temporality=temporality, variables=(signal, roi, self._edges))


class _Cube:
    """Counts by cell and bin."""

    def __init__(self, table: PixelTable, axis: Axis, in_range: tuple[int, int]) -> None:
        self.counter = CubeCounter(table, axis)
        self._in_range = slice(*in_range)
        self._masks: dict[int, NDArray[np.bool_]] = {}

    @property
    def lost(self) -> Lost:
        return self.counter.lost

    def image(self) -> NDArray[np.int32]:
        image: NDArray[np.int32] = self.counter.counts[:, self._in_range].sum(axis=1, dtype=np.int32)
        return image

    def spectrum(self) -> NDArray[np.int64]:
        spectrum: NDArray[np.int64] = self.counter.counts.sum(axis=0, dtype=np.int64)
        return spectrum

    def regions(self) -> dict[int, NDArray[np.int64]]:
        return {index: self.counter.counts[mask].sum(axis=0, dtype=np.int64) for index, mask in self._masks.items()}

    def set_regions(self, masks: dict[int, NDArray[np.bool_]]) -> set[int]:
        """Take new regions; return those that stayed the same."""
        kept = {index for index, mask in masks.items() if index in self._masks and np.array_equal(mask, self._masks[index])}
        self._masks = masks
        return kept


class _Image:
    """An image, a spectrum, and counts of each region."""

    def __init__(self, table: PixelTable, axis: Axis, in_range: tuple[int, int]) -> None:
        self.counter = ImageCounter(table, axis, in_range)
        self._masks: dict[int, NDArray[np.bool_]] = {}

    @property
    def lost(self) -> Lost:
        return self.counter.lost

    def image(self) -> NDArray[np.int32]:
        return self.counter.image.copy()

    def spectrum(self) -> NDArray[np.int64]:
        return self.counter.spectrum

    def regions(self) -> dict[int, NDArray[np.int64]]:
        return {index: self.counter.regions[index].copy() for index in self._masks}

    def set_regions(self, masks: dict[int, NDArray[np.bool_]]) -> set[int]:
        """Take new regions; return those that stayed the same."""
        kept = {index for index, mask in masks.items() if index in self._masks and np.array_equal(mask, self._masks[index])}
        self.counter.set_regions(masks)
        self._masks = masks
        return kept


def make(detector: Detector, view: View, table: PixelTable, params: Mapping[str, Any], units: str = "") -> DetectorView:
    """Return the workflow of a detector, whose position has `units`; raise SettingsError as `time_axis`."""
    axis, in_range = time_axis(params, detector.flight_path_m)
    weights = pixels_of_cells(table) if flag(params, "pixel_weighting") else None
    history = flag(params, "region_history")
    if history and table.cells * axis.bins > MOST_CUBE_CELLS:
        most = f"false: {table.cells} cells × {axis.bins} bins are more than {MOST_CUBE_CELLS}"
        raise SettingsError("region_history.enabled", history, most)
    regions = view.regions and len(table.shape) == 2
    groups = None if view.spectrum is None else _groups(detector, view.spectrum, params, axis)
    return DetectorView(table, axis, in_range, regions=regions, weights=weights, history=history, groups=groups, units=units)


def _groups(detector: Detector, spectrum: Spectrum, params: Mapping[str, Any], axis: Axis) -> PixelTable:
    size, name = detector.dims[spectrum.grouped], f"spectrum_params.{spectrum.parameter}"
    groups = whole(params, "spectrum_params", spectrum.parameter, spectrum.groups)
    if groups < 1 or size % groups:
        raise SettingsError(name, groups, f"a number that divides {size}")
    table = group_table(detector, spectrum, groups)
    if table.cells * axis.bins > MOST_CUBE_CELLS:
        raise SettingsError(name, groups, f"fewer: {table.cells} spectra × {axis.bins} bins are more than {MOST_CUBE_CELLS}")
    return table
