"""Commands of a script, by their names in the field.

Devices are given by name or as they are. Each command is a method here; `EXPOSED` gives the names that scripts know them by.
Source: docs/reference/control-commands.md.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from testbeam._version import __version__
from testbeam.errors import ControlError
from testbeam.services.control.commands.counting import count, detectors_of
from testbeam.services.control.commands.device_commands import DeviceCommands
from testbeam.services.control.commands.flow import Flow
from testbeam.services.control.commands.scanning import Scanner, points_of
from testbeam.services.control.devices.alias import resolved
from testbeam.services.control.devices.base import Device
from testbeam.services.control.devices.detector import Detector, presets
from testbeam.services.control.devices.file_writer import FileWriterControl
from testbeam.services.control.devices.moveable import Moveable
from testbeam.services.control.devices.sinks import Scan
from testbeam.services.control.session import Session
from testbeam.wire.nicos.daemon_words import BreakLevel, MessageLevel

EXPOSED: Mapping[str, str] = {
    "NewSetup": "new_setup",
    "AddSetup": "add_setup",
    "RemoveSetup": "remove_setup",
    "ListSetups": "list_setups",
    "ListDevices": "list_devices",
    "ListParams": "list_params",
    "ListCommands": "list_commands",
    "CreateDevice": "create_device",
    "CreateAllDevices": "create_all_devices",
    "RemoveDevice": "remove_device",
    "NewExperiment": "new_experiment",
    "FinishExperiment": "finish_experiment",
    "NewSample": "new_sample",
    "SelectSample": "new_sample",
    "Remark": "remark",
    "SetDetectors": "set_detectors",
    "AddDetector": "add_detector",
    "ListDetectors": "list_detectors",
    "SetEnvironment": "set_environment",
    "AddEnvironment": "add_environment",
    "ListEnvironment": "list_environment",
    "move": "move",
    "drive": "move",
    "switch": "maw",
    "maw": "maw",
    "rmaw": "relative_maw",
    "wait": "wait",
    "waitfor": "wait_until",
    "stop": "stop",
    "reset": "reset",
    "read": "read",
    "status": "status",
    "set": "set_parameter",
    "get": "get_parameter",
    "fix": "fix",
    "release": "release",
    "enable": "enable",
    "disable": "disable",
    "reference": "reference",
    "home": "reference",
    "adjust": "adjust",
    "limits": "limits",
    "resetlimits": "reset_limits",
    "info": "info",
    "history": "history",
    "sleep": "sleep",
    "preset": "preset",
    "count": "count",
    "scan": "scan",
    "cscan": "centred_scan",
    "timescan": "time_scan",
    "sweep": "sweep",
    "contscan": "continuous_scan",
    "manualscan": "manual_scan",
    "multiscan": "multi_scan",
    "nexusfile_open": "nexusfile_open",
    "start_filewriting": "start_filewriting",
    "stop_filewriting": "stop_filewriting",
    "list_filewriting_jobs": "list_filewriting_jobs",
    "replay_job": "replay_job",
    "scichat_send": "scichat_send",
    "printdebug": "print_debug",
    "printinfo": "print_info",
    "printwarning": "print_warning",
    "printerror": "print_error",
    "print": "print_info",
    "notify": "print_info",
    "pause": "pause",
    "userinput": "user_input",
    "version": "version",
    "help": "help",
}


class Asks(Protocol):
    """Who asks the users of clients."""

    def pause(self, text: str) -> None:
        """Pause until somebody continues."""

    def ask(self, text: str, kind: Any, default: Any) -> Any:
        """Return the answer, or the default where none is given; raise ControlError where there is neither."""


class UserCommands(DeviceCommands):
    """All commands over one session."""

    def __init__(self, session: Session, flow: Flow | None, on_setup: Callable[[], None] | None = None) -> None:
        super().__init__(session, flow, on_setup)
        self.scanner = Scanner(session, flow, self._experiment)
        self._preset: dict[str, float] = {}
        self._by_hand: Callable[[Mapping[str, float]], Any] | None = None
        self.asks: Asks | None = None

    def commands(self) -> dict[str, Callable[..., Any]]:
        """Return the commands by the names that scripts know them by."""
        return {name: getattr(self, method) for name, method in EXPOSED.items()}

    exposed = commands

    # Counting and scans

    def sleep(self, seconds: float) -> None:
        """Wait; a break or a stop may come in between."""
        self.session.sleep(float(seconds), BreakLevel.AFTER_STEP)

    def preset(self, *words: Any, **named: float) -> None:
        """Set what a count without a preset takes."""
        self._preset = presets(words, named)

    def count(self, *words: Any, **named: Any) -> list[Any]:
        """Take one measurement: a number is a time, `t`, `mon1` or a channel's name another preset; return what is counted."""
        detectors, numbers = self._split(words)
        wanted = self._presets(numbers, named)
        if self._by_hand is not None:
            found: list[Any] = self._by_hand(wanted)
            return found
        names = detectors or list(self._experiment().detlist)
        counted = detectors_of(self.session, names)
        values = count(self.session, self.flow, counted, wanted)
        infos = [pair for detector in counted for pair in detector.value_info()]
        self._tell(", ".join(f"{name} = {value:g} {unit}".strip() for (name, unit), value in zip(infos, values, strict=True)))
        return values

    def scan(self, device: Any, *arguments: Any, **named: Any) -> Scan:
        """Go over places and count at each: device, then a list of places or start, step and number, then presets; or lists of these."""
        devices = [self._moveable(one) for one in (device if isinstance(device, list | tuple) else [device])]
        points, total, rest = points_of(devices, arguments)
        return self._run_scan(devices, points, total, rest, named)

    def centred_scan(self, device: Any, centre: Any, step: Any, number: int, *rest: Any, **named: Any) -> Scan:
        """Scan around a centre, `number` points to each side; relative to nothing: the centre is a place."""
        many = isinstance(device, list | tuple)
        start = [c - number * s for c, s in zip(centre, step, strict=True)] if many else centre - number * step
        return self.scan(device, start, step, 2 * number + 1, *rest, **named)

    def time_scan(self, number: int, *rest: Any, **named: Any) -> Scan:
        """Count again and again; -1 is until stopped."""
        points: Iterator[tuple[Any, ...]] = itertools.repeat(()) if number < 0 else itertools.repeat((), number)
        return self._run_scan([], points, max(number, 0), rest, named)

    def sweep(self, device: Any, begin: Any, end: Any, *rest: Any, **named: Any) -> Scan:
        """Count again and again while a device goes from begin to end; its value is recorded at each point."""
        found = self._moveable(device)
        detectors, numbers = self._split(rest)
        seconds = self._presets(numbers, named).get("t", 1.0)
        return self.scanner.run_continuous(
            found, begin, end, None, seconds, title=f"sweep({found.name}, {begin}, {end})", detectors=detectors
        )

    def continuous_scan(self, device: Any, begin: Any, end: Any, speed: float | None = None, interval: float = 1.0, *rest: Any) -> Scan:
        """Count every `interval` s while a device moves at `speed`; its own speed comes back after."""
        found = self._moveable(device)
        detectors, _ = self._split(rest)
        title = f"contscan({found.name}, {begin}, {end})"
        return self.scanner.run_continuous(found, begin, end, speed, interval, title=title, detectors=detectors)

    def manual_scan(self, *words: Any, **named: Any) -> AbstractContextManager[None]:
        """Make each count within a block a point: with manualscan(dev): maw(dev, 1); count(1)."""
        return self._manual_scan(words, named)

    def multi_scan(self, devices: Sequence[Any], places: Sequence[Sequence[Any]], *rest: Any, **named: Any) -> Scan:
        """Scan devices over all combinations of their places, the last one fastest."""
        found = [self._moveable(one) for one in devices]
        points = list(itertools.product(*places))
        return self._run_scan(found, points, len(points), rest, named)

    # Files

    def start_filewriting(self, title: str | None = None) -> None:
        """Begin a file."""
        job = None if self.session.simulated else self._file_writer().start_job(title or "")
        if job is not None:
            self._tell(f"file-writing job {job.number} started")

    def stop_filewriting(self, number: int | None = None) -> None:
        """End the file in progress, or that of this job number."""
        job = None if self.session.simulated else self._file_writer().stop_job(number)
        self._tell(f"file-writing job {job.number} is asked to stop" if job is not None else "no file-writing job is in progress")

    @contextmanager
    def nexusfile_open(self, run_title: str = "") -> Iterator[None]:
        """Have a file written of what happens within a block."""
        experiment = self._experiment()
        if run_title:
            experiment.keep("run_title", run_title)
        self.start_filewriting(run_title)
        try:
            yield
        finally:
            self.stop_filewriting()

    def list_filewriting_jobs(self) -> list[tuple[Any, ...]]:
        """Tell and return the newest jobs."""
        rows = self._file_writer().list_jobs()
        for _, number, state, stops, error, service, file in rows:
            self._tell(f"{number:6d} {state:12} {'stop requested' if stops else '':15} {service} {file} {error}")
        return rows

    def replay_job(self, number: int) -> None:
        """Have a finished job's data written once more, into a new file."""
        job = None if self.session.simulated else self._file_writer().replay_job(number)
        if job is not None:
            self._tell(f"file-writing job {job.number} writes the data of job {number} again")

    def scichat_send(self, message: str) -> None:
        """Tell the chat of the experiment."""
        from testbeam.services.control.devices.scichat import SciChat

        bots = [device for device in self.session.devices.values() if isinstance(device, SciChat)]
        if not bots:
            raise ControlError("no loaded setup has a chat; add a device of class nicos_ess.devices.scichat.ScichatBot")
        if not self.session.simulated:
            bots[0].say(message)

    # Messages and flow

    def print_debug(self, *words: Any) -> None:
        """Tell those who look closely."""
        self.session.log.say("", MessageLevel.DEBUG, " ".join(map(str, words)))

    def print_info(self, *words: Any, sep: str = " ", **_: Any) -> None:
        """Tell."""
        self._tell(sep.join(map(str, words)))

    def print_warning(self, *words: Any) -> None:
        """Warn."""
        self.session.log.say("", MessageLevel.WARNING, " ".join(map(str, words)))

    def print_error(self, *words: Any) -> None:
        """Tell of an error."""
        self.session.log.say("", MessageLevel.ERROR, " ".join(map(str, words)))

    def pause(self, text: str = "") -> None:
        """Pause the script until somebody continues it."""
        self._tell(f"paused: {text or 'continue when ready'}")
        if self.asks is not None:
            self.asks.pause(text or "continue when ready")

    def user_input(self, prompt: str = "The script asks for a value", kind: Any = str, default: Any = ...) -> Any:
        """Ask whoever is at a client; `kind` is str, int, float, another function of the answer, or the list of answers that there are."""
        if self.asks is not None:
            self._tell(f"asked: {prompt}")
            return self.asks.ask(prompt, kind, default)
        if default is ...:
            raise ControlError(f"a dry run can't answer {prompt!r}; give a default")
        return default

    def version(self) -> str:
        """Tell and return the version."""
        self._tell(f"testbeam {__version__}")
        return __version__

    def help(self, command: Any = None) -> None:
        """Tell what a command does, or which there are."""
        if command is None:
            self.list_commands()
        elif isinstance(command, Device):
            self.list_params(command)
        else:
            self._tell((getattr(command, "__doc__", "") or "nothing is known of it").strip())

    # What these commands share

    def _split(self, words: Sequence[Any]) -> tuple[list[str], list[Any]]:
        """Return the detectors among some words, and the rest."""
        named = [one for one in words if isinstance(one, Device) or (isinstance(one, str) and one in self.session.configs)]
        return [str(one) for one in named], [one for one in words if one not in named]

    def _presets(self, numbers: Sequence[Any], named: Mapping[str, Any]) -> dict[str, float]:
        return presets([one for one in numbers if not isinstance(one, str)], named) or self._preset

    def _run_scan(self, devices: Sequence[Moveable], points: Any, total: int, rest: Sequence[Any], named: Mapping[str, Any]) -> Scan:
        extra, others = self._split(rest)
        title = next((one for one in others if isinstance(one, str)), "")
        detectors = [name for name in extra if isinstance(resolved(self.session.get_device(name)), Detector)]
        environment = [name for name in extra if name not in detectors]
        targets = {word: value for word, value in named.items() if isinstance(self.session.find_device(word), Moveable)}
        for word, value in targets.items():
            self.maw(word, value)
        names = ", ".join(device.name for device in devices) or "time"
        return self.scanner.run(
            devices,
            points,
            total=total,
            title=title or f"scan({names})",
            preset=self._presets(others, {word: value for word, value in named.items() if word not in targets}),
            detectors=detectors,
            environment=environment,
        )

    @contextmanager
    def _manual_scan(self, words: Sequence[Any], named: Mapping[str, Any]) -> Iterator[None]:
        title = next((one for one in words if isinstance(one, str) and one not in self.session.configs), "manualscan")
        devices = [self._readable(one) for one in words if isinstance(one, Device) or one in self.session.configs]
        moved = [one for one in devices if not isinstance(one, Detector)]
        detectors = [one.name for one in devices if isinstance(one, Detector)]
        if self._by_hand is not None:
            raise ControlError("a manual scan is running; a scan within a scan is not possible")
        self._preset = presets((), named) or self._preset
        with self.scanner.by_hand(moved, title=title, detectors=detectors) as step:
            self._by_hand = step
            try:
                yield
            finally:
                self._by_hand = None

    def _file_writer(self) -> FileWriterControl:
        found = [device for device in self.session.devices.values() if isinstance(device, FileWriterControl)]
        if not found:
            raise ControlError("no loaded setup has a file-writer; add a device of class …file_writer.FileWriterControlSink")
        return found[0]

    def run_file(self, path: str) -> str:
        """Return the text of a script file."""
        return Path(path).read_text()
