"""Pictures of the finished NeXus file: the panel's image, the time-of-flight spectrum, and a trace of each PV."""

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from testbeam.model.time import NS_PER_MS, NS_PER_S
from testbeam.report.charts.lines import Curve
from testbeam.suites.first_light.plan import PVS

PANEL = "entry/instrument/panel/panel_events"
MONITOR = "entry/instrument/monitor/monitor_events"
_FRAME_MS = 1000 / 14
_BINS = 240


def count_events(file: Path) -> int:
    """Return how many events of the panel the file holds."""
    with h5py.File(file, "r") as nexus:
        return int(nexus[f"{PANEL}/event_id"].size)


def panel_image(file: Path) -> NDArray[np.int64]:
    """Return counts (128, 128), the first pixel at the top left."""
    with h5py.File(file, "r") as nexus:
        ids = nexus[f"{PANEL}/event_id"][:]
        shape = nexus["entry/instrument/panel/detector_number"].shape
    counts = np.bincount(ids - 1, minlength=shape[0] * shape[1])
    return counts[: shape[0] * shape[1]].reshape(shape)


def spectra(file: Path) -> list[Curve]:
    """Return counts over time of flight in ms, of the panel and of the monitor."""
    edges = np.linspace(0, _FRAME_MS, _BINS + 1)
    with h5py.File(file, "r") as nexus:
        times = {name: nexus[f"{path}/event_time_offset"][:] / NS_PER_MS for name, path in (("panel", PANEL), ("monitor", MONITOR))}
    return [Curve(name=name, x=edges[:-1].tolist(), y=np.histogram(tof, edges)[0].tolist()) for name, tof in times.items()]


def traces(file: Path) -> Iterator[tuple[str, str, Curve]]:
    """Yield (PV, unit, curve) of each log, in seconds since the earliest entry of all."""
    with h5py.File(file, "r") as nexus:
        groups = {pv.name: nexus[f"entry/parameters/{pv.name.lower().replace('-', '_')}"] for pv in PVS}
        zero_ns = min((int(g["time"][0]) for g in groups.values() if g["time"].size), default=0)
        for name, group in groups.items():
            seconds = (group["time"][:].astype(np.int64) - zero_ns) / NS_PER_S
            unit = group["value"].attrs.get("units", "")
            yield name, str(unit), Curve(name=name, x=seconds.tolist(), y=group["value"][:].tolist(), steps=True)
