"""I(Q): scattered intensity by momentum transfer, of a flat detector behind the sample, over the counts of a monitor.

Wavelength and momentum transfer of each event are scippneutron's; the counts of the monitor since the start are what is divided by.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from testbeam.errors import SettingsError, WorkflowError
from testbeam.instruments.loader import Detector
from testbeam.instruments.projections import positions_of
from testbeam.model.arrays import Variable
from testbeam.services.livedata.params import edges_of
from testbeam.services.livedata.workflows.seam import Data, EventData, Output, Temporality

OUTSIDE = "outside the bins of Q"
UNKNOWN_PIXEL = "no such pixel"
_UNITS = {"1/angstrom": 1.0, "1/Å": 1.0, "1/nm": 0.1}


class IOfQ:
    """Counts by Q, and counts of the monitor."""

    def __init__(self, detector: Detector, monitor: str, edges: Any, unit: str) -> None:
        import scipp as sc
        from scippneutron.conversion import beamline, tof

        self._sc, self._tof = sc, tof
        self._detector, self._monitor = detector, monitor
        self._edges = sc.array(dims=["Q"], values=edges, unit=unit).to(unit="1/angstrom")
        self._edges_as_asked = Variable(name="Q", data=edges, axes=("Q",), unit=unit)
        incident, scattered = sc.vector([0.0, 0.0, 1.0], unit="m"), sc.vectors(dims=["pixel"], values=positions_of(detector), unit="m")
        two_theta: Any = beamline.two_theta(incident_beam=incident, scattered_beam=scattered)
        self._two_theta_rad: Any = two_theta.to(unit="rad").values
        source_to_sample_m = (detector.flight_path_m or 0.0) - (detector.flat.distance_m if detector.flat else 0.0)
        self._path_m: Any = source_to_sample_m + np.asarray(sc.norm(scattered).values)
        self._counts = np.zeros(len(edges) - 1)
        self._outside = self._unknown = self._of_monitor = 0

    @property
    def lost(self) -> Mapping[str, int]:
        """Return events in no bin, or of no pixel."""
        return {OUTSIDE: self._outside, UNKNOWN_PIXEL: self._unknown}

    def add(self, source: str, data: Data) -> None:
        """Take events of the detector, or of the monitor.

        Raises:
            WorkflowError: they are none.
        """
        if not isinstance(data, EventData):
            raise WorkflowError(f"{source}: I(Q) takes events, not {type(data).__name__}")
        if source == self._monitor:
            self._of_monitor += len(data.time_of_flight_ns)
            return
        place = data.pixel_id.astype(np.int64) - self._detector.first_id
        known = (place >= 0) & (place < self._detector.pixels)
        self._unknown += int((~known).sum())
        counted = self._histogram(place[known], data.time_of_flight_ns[known])
        self._counts += counted
        self._outside += int(known.sum()) - round(counted.sum())

    def outputs(self) -> Sequence[Output]:
        """Return the counts by Q, over the counts of the monitor where there are some."""
        per_monitor = self._counts / max(self._of_monitor, 1)
        signal = Variable(name="signal", data=per_monitor, axes=("Q",), unit="" if self._of_monitor else "counts", label="I(Q)")
        return (Output(name="i_of_q", temporality=Temporality.CUMULATIVE, variables=(signal, self._edges_as_asked)),)

    def clear(self) -> None:
        """Begin anew."""
        self._counts[:] = 0
        self._outside = self._unknown = self._of_monitor = 0

    def _histogram(self, place: Any, time_ns: Any) -> Any:
        if not len(place):
            return np.zeros_like(self._counts)
        sc = self._sc
        time = sc.array(dims=["event"], values=np.maximum(time_ns, 1).astype(np.float64), unit="ns")
        path = sc.array(dims=["event"], values=self._path_m[place], unit="m")
        two_theta = sc.array(dims=["event"], values=self._two_theta_rad[place], unit="rad")
        wavelength = self._tof.wavelength_from_tof(tof=time, Ltotal=path)
        q = self._tof.elastic_Q_from_wavelength(wavelength=wavelength, two_theta=two_theta).to(unit="1/angstrom")
        events = sc.DataArray(sc.ones(dims=["event"], shape=[len(place)], unit="counts"), coords={"Q": q})
        counted: Any = events.hist(Q=self._edges).data.values
        return counted


def make(detector: Detector, monitor: str, params: Mapping[str, Any]) -> IOfQ:
    """Return the workflow of a detector; raise SettingsError for parameters that can't be used."""
    if detector.flat is None or detector.flight_path_m is None:
        raise SettingsError("source_name", detector.name, "a detector that is flat and has a flight path in the instrument's file")
    edges, unit = edges_of(params, "q_edges", 0.01, 0.5, "1/angstrom", _UNITS)
    return IOfQ(detector, monitor, edges, unit)
