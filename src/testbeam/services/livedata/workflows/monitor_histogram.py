"""Monitor histogram: counts of one beam monitor by time of arrival or wavelength, from events or from histograms."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from testbeam.errors import WorkflowError
from testbeam.model.arrays import LabelledArray, Variable
from testbeam.services.livedata.counting import TimeCounter
from testbeam.services.livedata.params import NS_PER, Axis, Floats, time_axis
from testbeam.services.livedata.workflows.seam import Data, EventData, Output, Temporality, scalar

OUTSIDE = "outside the histogram's times"
_WINDOW, _CUMULATIVE = Temporality.WINDOW, Temporality.CUMULATIVE


class MonitorHistogram:
    """Counts since the start, and in each window as the difference to the window before."""

    def __init__(self, axis: Axis, in_range: tuple[int, int]) -> None:
        self._axis = axis
        self._in_range = slice(*in_range)
        self._events = TimeCounter(axis)
        self._rebinned = np.zeros(axis.bins)
        self._outside_rebinned = 0.0
        self._before: Any = np.zeros(axis.bins, np.int64)
        self._edges = Variable(name=axis.name, data=axis.edges, axes=(axis.name,), unit=axis.unit)

    @property
    def lost(self) -> Mapping[str, int]:
        """Return events outside the times."""
        return {OUTSIDE: self._events.outside + round(self._outside_rebinned)}

    def add(self, source: str, data: Data) -> None:
        """Take events, or a histogram of counts, which is distributed over the bins by overlap.

        Raises:
            WorkflowError: it is neither, or a histogram without edges of time.
        """
        if isinstance(data, EventData):
            self._events.add(data.time_of_flight_ns)
        elif isinstance(data, LabelledArray):
            self._add_histogram(source, data)
        else:
            raise WorkflowError(f"{source}: a monitor's data are events or histograms, not {type(data).__name__}")

    def outputs(self) -> Sequence[Output]:
        """Return histograms, totals and counts in range, of the window and since the start."""
        total: Any = self._events.spectrum
        if self._rebinned.any():
            total = total + self._rebinned
        window, self._before = total - self._before, total
        return (
            self._histogram("cumulative", total, _CUMULATIVE, "Histogram"),
            self._histogram("current", window, _WINDOW, "Histogram update"),
            scalar("counts_total", window.sum(), _WINDOW, "Total"),
            scalar("counts_in_toa_range", window[self._in_range].sum(), _WINDOW, "Total in range"),
            scalar("counts_total_cumulative", total.sum(), _CUMULATIVE, "Total"),
            scalar("counts_in_toa_range_cumulative", total[self._in_range].sum(), _CUMULATIVE, "Total in range"),
        )

    def clear(self) -> None:
        """Begin anew."""
        self._events.clear()
        self._rebinned[:] = 0
        self._outside_rebinned = 0.0
        self._before = np.zeros(self._axis.bins, np.int64)

    def _histogram(self, name: str, counts: Any, temporality: Temporality, label: str) -> Output:
        signal = Variable(name="signal", data=counts, axes=(self._axis.name,), unit="counts", label=label)
        return Output(name=name, temporality=temporality, variables=(signal, self._edges))

    def _add_histogram(self, source: str, array: LabelledArray) -> None:
        counts, edges_ns = counts_and_edges(source, array)
        below = np.concatenate(([0.0], np.cumsum(counts)))
        periods, in_period = np.divmod(self._axis.edges_ns, self._axis.period_ns or np.inf)
        at_edges = np.interp(in_period, edges_ns, below) + periods * below[-1]
        self._rebinned += np.diff(at_edges)
        self._outside_rebinned += float(below[-1] - (at_edges[-1] - at_edges[0]))


def counts_and_edges(source: str, array: LabelledArray) -> tuple[Floats, Floats]:
    """Return the counts of a histogram, summed over all axes but the last, and its edges in ns.

    Raises:
        WorkflowError: there is no signal, or no rising edges in a unit of time for its last axis.
    """
    signal = array.variable("signal")
    if signal is None or isinstance(signal.data, str) or not signal.axes:
        raise WorkflowError(f"{source}: a histogram needs a variable `signal` of numbers with an axis")
    counts = np.asarray(signal.data, np.float64)
    counts = counts.sum(axis=tuple(range(counts.ndim - 1)))
    edges = array.variable(signal.axes[-1])
    if edges is None or isinstance(edges.data, str) or edges.data.shape != (counts.size + 1,) or edges.unit not in NS_PER:
        raise WorkflowError(f"{source}: axis {signal.axes[-1]!r} needs {counts.size + 1} edges in one of {', '.join(NS_PER)}")
    edges_ns = np.asarray(edges.data, np.float64) * NS_PER[edges.unit]
    if not (np.isfinite(counts).all() and np.isfinite(edges_ns).all() and (np.diff(edges_ns) > 0).all()):
        raise WorkflowError(f"{source}: edges that do not rise, or numbers that are none, in a histogram")
    return counts, edges_ns


def make(params: Mapping[str, Any], distance_m: float | None) -> MonitorHistogram:
    """Return the workflow of a monitor; raise SettingsError as `time_axis`."""
    return MonitorHistogram(*time_axis(params, distance_m))
