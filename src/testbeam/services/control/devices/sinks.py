"""Data sinks of scans: messages on the console, events to clients, files of text.

Source: docs/reference/control-commands.md, "Data sinks".
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TextIO

from testbeam.services.control.devices.base import Device
from testbeam.services.control.devices.experiment import Experiment
from testbeam.services.control.devices.params import Param


@dataclass(slots=True, kw_only=True)
class Scan:
    """One scan: what is moved and measured, and the points so far. `total` is 0 where it is not known."""

    number: int
    title: str
    started_s: float
    total: int
    moved: Sequence[tuple[str, str]]  # name, unit
    environment: Sequence[tuple[str, str]]
    measured: Sequence[tuple[str, str]]
    preset: Mapping[str, float]
    user: str = ""
    points: list["Point"] = field(default_factory=list)
    ended: str = ""  # "", "finished", "stopped" or "failed"

    @property
    def names(self) -> list[str]:
        """Return the names of all columns."""
        return [name for name, _ in (*self.moved, *self.environment, *self.measured)]

    @property
    def units(self) -> list[str]:
        """Return the units of all columns."""
        return [unit for _, unit in (*self.moved, *self.environment, *self.measured)]

    def for_clients(self) -> dict[str, Any]:
        """Return the scan as clients know it."""
        xs = [(*point.positions, *point.environment) for point in self.points]
        return {
            "scannumber": self.number,
            "counter": self.number,
            "uid": f"scan-{self.number}",
            "started": self.started_s,
            "ended": self.ended,
            "scaninfo": self.title,
            "xindex": 0,
            "xnames": [name for name, _ in (*self.moved, *self.environment)],
            "xunits": [unit for _, unit in (*self.moved, *self.environment)],
            "xvalues": [list(x) for x in xs],
            "ynames": [name for name, _ in self.measured],
            "yunits": [unit for _, unit in self.measured],
            "yvalues": [list(point.results) for point in self.points],
            "npoints": self.total,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point of a scan; `number` counts from 1."""

    number: int
    time_s: float
    positions: tuple[Any, ...]
    environment: tuple[Any, ...] = ()
    results: tuple[Any, ...] = ()

    @property
    def values(self) -> tuple[Any, ...]:
        """Return the values of all columns."""
        return (*self.positions, *self.environment, *self.results)


class DataSink(Device):
    """What is told of scans."""

    field_names: ClassVar[tuple[str, ...]] = ("nicos.core.data.DataSink",)

    def begin(self, scan: Scan) -> None:
        """Take note of a new scan."""

    def take(self, scan: Scan, point: Point) -> None:
        """Take a point."""

    def end(self, scan: Scan) -> None:
        """Take note of the end."""


class ConsoleScanSink(DataSink):
    """Tells each point as a line of the console."""

    field_names: ClassVar[tuple[str, ...]] = (
        "nicos_ess.devices.datasinks.console_scan_sink.ConsoleScanSink",
        "nicos.devices.datasinks.ConsoleScanSink",
    )

    def begin(self, scan: Scan) -> None:
        """Tell the columns."""
        self.log.info("=" * 60)
        self.log.info(f"Starting scan: {scan.title} (#{scan.number})")
        self.log.info("\t".join(("#", *scan.names)))
        self.log.info("\t".join(("", *scan.units)))

    def take(self, scan: Scan, point: Point) -> None:
        """Tell the values."""
        total = f"/{scan.total}" if scan.total else ""
        self.log.info("\t".join((f"{point.number}{total}", *map(_text, point.values))))

    def end(self, scan: Scan) -> None:
        """Tell how it ended, with the points that are real."""
        whole = f"{len(scan.points)} of {scan.total}" if scan.total else f"{len(scan.points)}"
        self.log.info(f"Scan #{scan.number} {scan.ended}: {whole} points")


class AsciiScanSink(DataSink):
    """Writes each scan into a file of text: a header, then a line a point."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "filenametemplate": Param(description="name of the files", type=list, default=["scan_%(scancounter)08d.dat"]),
        "subdir": Param(description="folder below the data root", type=str, default="scans"),
    }
    field_names: ClassVar[tuple[str, ...]] = ("nicos.devices.datasinks.AsciiScanfileSink",)

    def __init__(self, *arguments: Any) -> None:
        self._file: TextIO | None = None
        super().__init__(*arguments)

    def begin(self, scan: Scan) -> None:
        """Open the file."""
        experiment = self.host.find_device(str(self.host.sysconfig.get("experiment", "")))
        root = Path(experiment.dataroot) if isinstance(experiment, Experiment) else Path()
        numbers = {"scancounter": scan.number, "counter": scan.number, "pointcounter": 0}
        path = root / str(self.subdir) / (str(self.filenametemplate[0]) % numbers)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("x")
        started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(scan.started_s))
        lines = [f"scan {scan.number}: {scan.title}", f"started {started}", *self._state()]
        lines += ["\t".join(scan.names), "\t".join(scan.units)]
        self._file.write("".join(f"# {line}\n" for line in lines))

    def take(self, scan: Scan, point: Point) -> None:  # noqa: ARG002 — the sink's form
        """Write the values."""
        if self._file is not None:
            self._file.write("\t".join(map(_text, point.values)) + "\n")
            self._file.flush()

    def end(self, scan: Scan) -> None:
        """Write how it ended, and close."""
        if self._file is not None:
            self._file.write(f"# {scan.ended}: {len(scan.points)} of {scan.total} points\n")
            self._file.close()
            self._file = None

    def _state(self) -> list[str]:
        devices = [device for device in list(self.host.devices.values()) if "metadata" in (device.visibility or ())]
        return [f"{device.name} {name}: {value}" for device in devices if device is not self for name, value in device.info()]


class DaemonSink(DataSink):
    """Tells each point to the clients of the daemon; the daemon itself does so, with or without this."""

    field_names: ClassVar[tuple[str, ...]] = ("nicos.devices.datasinks.DaemonSink", "nicos.devices.datasinks.LiveViewSink")


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
