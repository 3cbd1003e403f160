"""Scans: devices go from point to point, and at each is counted; continuous, in time, by hand.

All points are held against the limits before the first move. However a scan ends, its sinks are told, and how many points are real.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from testbeam.errors import ControlError, DeviceError
from testbeam.services.control.commands.counting import count, detectors_of
from testbeam.services.control.commands.flow import Flow, ScriptStopped
from testbeam.services.control.devices.alias import resolved
from testbeam.services.control.devices.base import Readable
from testbeam.services.control.devices.detector import Detector
from testbeam.services.control.devices.experiment import Experiment
from testbeam.services.control.devices.host import DeviceHost
from testbeam.services.control.devices.moveable import Moveable
from testbeam.services.control.devices.sinks import DataSink, Point, Scan
from testbeam.services.control.devices.waiting import wait_for
from testbeam.wire.nicos.daemon_words import BreakLevel, MessageLevel

_CHECKED_AHEAD = 100_000  # points of a scan whose length nobody knows are checked one by one
_KEPT = 20


class ScanListener(Protocol):
    """Who is told of scans besides the sinks of the setups."""

    def begin(self, scan: Scan) -> None:
        """Take note of a new scan."""

    def take(self, scan: Scan, point: Point) -> None:
        """Take a point."""

    def end(self, scan: Scan) -> None:
        """Take note of the end."""


@dataclass(slots=True)
class Scanner:
    """Runs scans, one at a time; `scans` are the newest."""

    host: DeviceHost
    flow: Flow | None
    experiment: Callable[[], Experiment]
    listeners: list[ScanListener] = field(default_factory=list)
    scans: list[Scan] = field(default_factory=list)
    _active: Scan | None = None

    def run(
        self,
        devices: Sequence[Moveable],
        points: Iterable[Sequence[Any]],
        *,
        total: int,
        title: str,
        preset: Mapping[str, float],
        detectors: Sequence[str] = (),
        environment: Sequence[str] = (),
    ) -> Scan:
        """Scan these devices over these points (one value a device); return the scan.

        Raises:
            LimitError, DeviceError: a point can't be reached; checked before anything moves.
            ControlError: there is nothing to count with, or another scan runs.
            ScriptStopped: a stop took hold.
        """
        counted, recorded = self._equipment(detectors, environment)
        if total and total <= _CHECKED_AHEAD:
            points = [tuple(device.check(value) for device, value in zip(devices, point, strict=True)) for point in points]
        with self._scan(devices, recorded, counted, total=total, title=title, preset=preset) as scan:
            for number, targets in enumerate(points, 1):
                self.host.breakpoint(BreakLevel.AFTER_STEP)
                for device, target in zip(devices, targets, strict=True):
                    device.start(target)
                wait_for(self.host, devices)
                results = count(self.host, self.flow, counted, preset) if counted and preset else []
                self._point(scan, number, devices, recorded, results)
            self.host.breakpoint(BreakLevel.AFTER_STEP)
        return scan

    def run_continuous(
        self, device: Moveable, begin: Any, end: Any, speed: float | None, interval_s: float, *, title: str, detectors: Sequence[str] = ()
    ) -> Scan:
        """Count again and again while a device moves from `begin` to `end`, at `speed` where it has one; the speed comes back after.

        Raises: as `run`.
        """
        counted, recorded = self._equipment(detectors, ())
        for target in (begin, end):
            device.check(target)
        preset = {"t": interval_s}
        device.maw(begin)
        old_speed = getattr(device, "speed", None) if speed else None
        with self._scan([device], recorded, counted, total=0, title=title, preset=preset) as scan:
            try:
                if speed:
                    device.set_parameter("speed", speed)
                device.start(end)
                for number in itertools.count(1):
                    self.host.breakpoint(BreakLevel.AFTER_STEP)
                    results = count(self.host, self.flow, counted, preset)
                    self._point(scan, number, [device], recorded, results)
                    if self.host.simulated or device.is_completed():
                        break
            except BaseException:
                device.stop()
                raise
            finally:
                if speed:
                    device.set_parameter("speed", old_speed)
        return scan

    @contextmanager
    def by_hand(
        self, devices: Sequence[Readable], *, title: str, detectors: Sequence[str] = ()
    ) -> Iterator[Callable[[Mapping[str, float]], Any]]:
        """Give, for a block, what counts one point of a scan at wherever the user has gone."""
        counted, recorded = self._equipment(detectors, ())
        with self._scan(devices, recorded, counted, total=0, title=title, preset={}) as scan:

            def step(preset: Mapping[str, float]) -> list[Any]:
                results = count(self.host, self.flow, counted, preset)
                self._point(scan, len(scan.points) + 1, devices, recorded, results)
                return results

            yield step

    def _equipment(self, detectors: Sequence[str], environment: Sequence[str]) -> tuple[list[Detector], list[Readable]]:
        experiment = self.experiment()
        counted = detectors_of(self.host, list(detectors) or list(experiment.detlist))
        names = dict.fromkeys((*experiment.envlist, *environment))
        recorded = [device for device in map(self.host.get_device, names) if isinstance(resolved(device), Readable)]
        return counted, recorded

    @contextmanager
    def _scan(
        self,
        devices: Sequence[Readable],
        recorded: Sequence[Readable],
        counted: Sequence[Detector],
        *,
        total: int,
        title: str,
        preset: Mapping[str, float],
    ) -> Iterator[Scan]:
        if self._active is not None:
            raise ControlError(f"scan {self._active.number} is running; a scan within a scan is not possible")
        scan = Scan(
            number=0 if self.host.simulated else self.experiment().next_scan(),
            title=title,
            started_s=self.host.now_s(),
            total=total,
            moved=[pair for device in devices for pair in device.value_info()],
            environment=[pair for device in recorded for pair in device.value_info()],
            measured=[pair for detector in counted for pair in detector.value_info()],
            preset=preset,
        )
        self._active = scan
        self.scans = [*self.scans, scan][-_KEPT:]
        self._tell("begin", scan)
        try:
            yield scan
            scan.ended = "finished"
        except ScriptStopped:
            scan.ended = "stopped"
            raise
        except BaseException:
            scan.ended = "failed"
            raise
        finally:
            self._active = None
            self._tell("end", scan)

    def _point(self, scan: Scan, number: int, devices: Sequence[Readable], recorded: Sequence[Readable], results: Sequence[Any]) -> None:
        point = Point(
            number=number,
            time_s=self.host.now_s(),
            positions=tuple(device.read(0) for device in devices),
            environment=tuple(device.read() for device in recorded),
            results=tuple(results),
        )
        scan.points.append(point)
        self._tell("take", scan, point)

    def _tell(self, what: str, *arguments: Any) -> None:
        """Tell every sink; one that fails is told of, and the scan goes on."""
        listed = self.host.sysconfig.get("datasinks", ())
        sinks = [device for device in map(self.host.find_device, listed) if isinstance(device, DataSink)]
        for sink in (*sinks, *self.listeners) if not self.host.simulated else ():
            try:
                getattr(sink, what)(*arguments)
            except (OSError, DeviceError) as error:
                name = getattr(sink, "name", type(sink).__name__)
                self.host.log.say(name, MessageLevel.ERROR, f"scan {arguments[0].number} is not written there: {error}")


def points_of(devices: Sequence[Moveable], arguments: Sequence[Any]) -> tuple[list[tuple[Any, ...]], int, list[Any]]:
    """Return the points of a scan's arguments, how many there are, and what else is among the arguments.

    After the devices come lists of places, or start, step and number of points; each a list of its own for several devices.

    Raises:
        ControlError: the arguments are of neither form.
    """
    many, rest = len(devices) > 1, list(arguments)
    if rest and _is_list(rest[0]) and (not many or (rest[0] and all(_is_list(one) for one in rest[0]))):
        columns = list(rest[0]) if many else [rest[0]]
        if len(columns) != len(devices) or len({len(one) for one in columns}) != 1:
            raise ControlError(f"{len(devices)} devices take as many lists of places, of one length")
        return list(zip(*columns, strict=True)), len(columns[0]), rest[1:]
    if len(rest) < 3:
        raise ControlError("a scan takes a list of places, or start, step and number of points: scan(dev, 0, 0.5, 11, t=1)")
    starts, steps = [list(one) for one in rest[:2]] if many else [[rest[0]], [rest[1]]]
    number = rest[2]
    if not isinstance(number, int) or number < 1 or len(starts) != len(devices) or len(steps) != len(devices):
        raise ControlError(f"the number of points is {number!r}, and start and step are one a device; scan(dev, 0, 0.5, 11, t=1)")
    points = [tuple(start + n * step for start, step in zip(starts, steps, strict=True)) for n in range(number)]
    return points, number, rest[3:]


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple) or hasattr(value, "tolist")
