"""What a script may say: the commands of the field, by their names there.

Devices are given by name or as they are. Each command is a method here; `EXPOSED` gives the names that scripts know them by.
Source: docs/reference/control-commands.md.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from testbeam._version import __version__
from testbeam.errors import ControlError, DeviceError, LimitError
from testbeam.services.control.commands.counting import count, detectors_of
from testbeam.services.control.commands.flow import Flow
from testbeam.services.control.commands.scanning import Scanner, points_of
from testbeam.services.control.devices.alias import resolved
from testbeam.services.control.devices.base import Device, LimitedMoveable, Moveable, Readable
from testbeam.services.control.devices.detector import Detector, presets
from testbeam.services.control.devices.experiment import Experiment, Sample
from testbeam.services.control.devices.file_writer import FileWriterControl
from testbeam.services.control.devices.sinks import Scan
from testbeam.services.control.devices.waiting import wait_for
from testbeam.services.control.session import Session
from testbeam.wire.nicos.daemon_words import BreakLevel, MessageLevel

_STOP_S = 5.0

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
    "version": "version",
    "help": "help",
}
Named = Device | str


class UserCommands:
    """The commands over one session; `on_setup` is told when setups have changed."""

    def __init__(self, session: Session, flow: Flow | None, on_setup: Callable[[], None] | None = None) -> None:
        self.session = session
        self.flow = flow
        self.scanner = Scanner(session, flow, self._experiment)
        self.namespace: dict[str, Any] = {}
        self._on_setup = on_setup
        self._preset: dict[str, float] = {}
        self._by_hand: Callable[[Mapping[str, float]], Any] | None = None

    def exposed(self) -> dict[str, Callable[..., Any]]:
        """Return the commands by the names that scripts know them by."""
        return {name: getattr(self, method) for name, method in EXPOSED.items()}

    # Setups

    def new_setup(self, *names: str) -> None:
        """Load these setups in place of those that are loaded; fails, and names them, where devices can't be made."""
        self._load(names or tuple(self.session.explicit_setups), anew=True)

    def add_setup(self, *names: str) -> None:
        """Load these setups besides."""
        if not names:
            self.list_setups()
        self._load(names, anew=False)

    def remove_setup(self, *names: str) -> None:
        """Load all setups but these anew."""
        for name in names:
            if name not in self.session.loaded_setups:
                raise ControlError(f"setup {name!r} is not loaded; loaded are {', '.join(self.session.loaded_setups) or 'none'}")
        self._load([name for name in self.session.explicit_setups if name not in names], anew=True)

    def list_setups(self) -> None:
        """Tell the setups that there are."""
        for setup in sorted(self.session.setups.values(), key=lambda one: one.name):
            if setup.group not in ("special", "configdata"):
                mark = "loaded" if setup.name in self.session.loaded_setups else setup.problem and f"broken: {setup.problem}"
                self._tell(f"{setup.name:24} {mark or '':10} {setup.description}")

    def create_device(self, *names: Named) -> None:
        """Make devices that could not be made before."""
        for name in names:
            self.session.get_device(str(name))
        self._setup_changed()

    def create_all_devices(self) -> None:
        """Make all devices of the loaded setups that are not there."""
        failed = {}
        for name in [name for name in self.session.configs if name not in self.session.devices]:
            try:
                self.session.get_device(name)
            except DeviceError as error:
                failed[name] = str(error)
        self._setup_changed()
        if failed:
            raise DeviceError("; ".join(failed.values()))

    def remove_device(self, *names: Named) -> None:
        """Let go of devices."""
        for name in names:
            self.session.remove(str(name))
        self._setup_changed()

    def list_devices(self) -> None:
        """Tell the devices with what they are."""
        for name in sorted(self.session.explicit_devices):
            device = self.session.devices[name]
            self._tell(f"{name:24} {device.names_of_classes()[0].rpartition('.')[2]:24} {device.description}")

    def list_params(self, device: Named) -> None:
        """Tell the parameters of a device."""
        found = self._device(device)
        for word, param in sorted(found.all_parameters.items()):
            if not param.internal:
                self._tell(f"{word:20} {getattr(found, word, None)!r:30} {'settable' if param.settable else '':9} {param.description}")

    def list_commands(self) -> None:
        """Tell the commands."""
        for name, method in sorted(EXPOSED.items()):
            self._tell(f"{name:22} {(getattr(self, method).__doc__ or '').partition(chr(10))[0]}")

    # Experiment and sample

    def new_experiment(self, proposal: int | str, title: str = "", localcontact: Any = (), user: Any = (), **more: Any) -> None:
        """Begin an experiment."""
        self._experiment().new(str(proposal), title, localcontact or more.get("local_contacts", ()), user or more.get("users", ()))
        self._tell(f"experiment {proposal} started: {title}")

    def finish_experiment(self) -> None:
        """End the experiment."""
        self._experiment().new("", "", (), ())

    def new_sample(self, name: str, **parameters: Any) -> None:
        """Take a new sample."""
        sample = self._experiment().sample
        if not isinstance(sample, Sample):
            raise ControlError("the experiment has no sample; its setup names none")
        sample.new(str(name), parameters)

    def remark(self, text: str) -> None:
        """Note a remark."""
        self._experiment().keep("remark", text)
        self._tell(f"remark: {text}")

    def set_detectors(self, *detectors: Named) -> None:
        """Count with these detectors from now on."""
        names = [str(one) for one in detectors]
        detectors_of(self.session, names)
        self._experiment().set_detectors(names)

    def add_detector(self, *detectors: Named) -> None:
        """Count with these detectors, too."""
        self.set_detectors(*dict.fromkeys((*self._experiment().detlist, *map(str, detectors))))

    def list_detectors(self) -> None:
        """Tell the detectors that are counted with."""
        self._tell(f"detectors are {', '.join(self._experiment().detlist) or 'none'}")

    def set_environment(self, *devices: Named) -> None:
        """Record the values of these devices at each point."""
        self._experiment().set_environment([str(one) for one in devices])

    def add_environment(self, *devices: Named) -> None:
        """Record the values of these devices, too."""
        self.set_environment(*dict.fromkeys((*self._experiment().envlist, *map(str, devices))))

    def list_environment(self) -> None:
        """Tell the devices whose values are recorded."""
        self._tell(f"environment is {', '.join(self._experiment().envlist) or 'none'}")

    # Devices

    def move(self, *pairs: Any) -> None:
        """Send devices to targets and return at once; all targets are checked first."""
        wanted = self._pairs(pairs)
        for device, target in wanted:
            device.check(target)
        for device, target in wanted:
            device.start(target)

    def maw(self, *pairs: Any) -> None:
        """Send devices to targets and wait until all have arrived."""
        self.move(*pairs)
        self._wait([device for device, _ in self._pairs(pairs)])

    def relative_maw(self, *pairs: Any) -> None:
        """Send devices on by distances, and wait."""
        self.maw(*itertools.chain.from_iterable((device, device.read(0) + distance) for device, distance in self._pairs(pairs)))

    def wait(self, *devices: Any) -> None:
        """Wait until these devices, or all, have arrived; a number is a time in seconds."""
        for seconds in (one for one in devices if isinstance(one, int | float) and not isinstance(one, bool)):
            self.session.sleep(seconds)
        named = [one for one in devices if isinstance(one, Device | str)]
        self._wait([self._moveable(one) for one in named] if devices else self._all_moveables())

    def wait_until(self, device: Named, condition: str | Callable[[Any], bool], timeout: float = 86_400.0) -> None:
        """Wait until a value is as a condition has it, such as "> 5" or a function of it."""
        readable, end_s = self._readable(device), self.session.now_s() + timeout
        while not self.session.simulated:
            value = readable.read(0)
            if condition(value) if callable(condition) else eval(f"{value!r} {condition}", {}):  # noqa: S307 — a script's own words
                return
            if self.session.now_s() > end_s:
                raise ControlError(f"{readable.name} is {readable.format(value, unit=True)}, not {condition}, after {timeout:g} s")
            self.session.sleep(0.1)

    def stop(self, *devices: Named) -> None:
        """Stop these devices, or all; those that do not obey within 5 s are named."""
        wanted = [self._moveable(one) for one in devices] or [one for one in self._all_moveables() if not one.ignore_general_stop]
        problems = []
        for device in wanted:
            try:
                device.stop()
            except DeviceError as error:
                problems.append(str(error))
        end_s = time.monotonic() + _STOP_S
        moving = wanted
        while (moving := [one for one in moving if _is_moving(one)]) and time.monotonic() < end_s:
            self.session.woken.wait(0.05)
        problems += [f"{one.name} still moves {_STOP_S:g} s after its stop" for one in moving]
        if problems:
            raise DeviceError("; ".join(problems))

    def reset(self, *devices: Named) -> None:
        """Clear errors of devices."""
        for device in devices:
            self._readable(device).reset()

    def read(self, *devices: Named) -> Any:
        """Tell the values of devices, or of all; return that of the last."""
        value = None
        for device in [self._readable(one) for one in devices] or self._all_readables():
            value = device.read(0 if devices else None)
            self._tell(f"{device.name} = {device.format(value, unit=True)}")
        return value

    def status(self, *devices: Named) -> Any:
        """Tell the status of devices, or of all; return that of the last."""
        found = None
        for device in [self._readable(one) for one in devices] or self._all_readables():
            found = device.status(0 if devices else None)
            self._tell(f"{device.name}: {found[1] or 'ok'} ({found[0]})")
        return found

    def set_parameter(self, device: Named, parameter: str, value: Any) -> None:
        """Change a parameter of a device."""
        setattr(self._device(device), parameter, value)

    def get_parameter(self, device: Named, parameter: str) -> Any:
        """Return and tell a parameter of a device."""
        value = getattr(self._device(device), parameter)
        self._tell(f"{device}.{parameter} = {value!r}")
        return value

    def fix(self, device: Named, reason: str = "") -> None:
        """Let nobody move a device."""
        self._moveable(device).fix(reason)

    def release(self, *devices: Named) -> None:
        """Let devices be moved again."""
        for device in devices:
            self._moveable(device).release()

    def enable(self, *devices: Named) -> None:
        """Power devices."""
        self._each(devices, "enable")

    def disable(self, *devices: Named) -> None:
        """Take the power off devices."""
        self._each(devices, "disable")

    def reference(self, device: Named) -> None:
        """Drive a motor to its home, and wait."""
        self._each([device], "reference")
        self._wait([self._moveable(device)])

    def adjust(self, device: Named, value: float) -> None:
        """Call the place of a device by this number from now on."""
        found = self._moveable(device)
        if hasattr(found, "set_position"):
            found.set_position(value)
        elif "offset" in found.all_parameters:
            found.keep("offset", (found.offset or 0.0) + found.read(0) - value)
        else:
            raise DeviceError(f"{found.name} has no offset that could be adjusted")

    def limits(self, *devices: Named) -> None:
        """Tell the limits of devices."""
        for device in map(self._moveable, devices):
            if isinstance(device, LimitedMoveable):
                self._tell(f"{device.name}: user {device.userlimits}, absolute {device.abslimits}, hardware {device.hardware_limits()}")

    def reset_limits(self, *devices: Named) -> None:
        """Take the user limits off."""
        for device in map(self._moveable, devices):
            device.set_parameter("userlimits", None)

    def info(self, *devices: Named) -> None:
        """Tell all that is known of devices."""
        for device in [self._device(one) for one in devices] or list(self.session.devices.values()):
            for name, value in device.info():
                self._tell(f"{device.name} {name}: {value}")

    def history(self, device: Named, parameter: str = "value", hours: float = 24.0) -> list[tuple[float, Any]]:
        """Tell and return the cached values of a device."""
        found = self._readable(device).history(parameter, self.session.now_s() - hours * 3600)
        for time_s, value in found:
            self._tell(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(time_s))}  {value!r}")
        return found

    # Counting and scans

    def sleep(self, seconds: float) -> None:
        """Wait; a break or a stop may come in between."""
        self.session.sleep(float(seconds))

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
        job = self._file_writer().replay_job(number)
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
        if self.flow is not None and not self.session.simulated:
            self.flow.request_break(BreakLevel.AFTER_LINE, "the script")
            self.flow.breakpoint(BreakLevel.AFTER_LINE)

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

    # What the commands share

    def _tell(self, text: str) -> None:
        self.session.log.say("", MessageLevel.INFO, text)

    def _load(self, names: Sequence[str], *, anew: bool) -> None:
        try:
            self.session.load(names, anew=anew)
        finally:
            self._setup_changed()
        self._tell(f"setups loaded: {', '.join(self.session.loaded_setups) or 'none'}")
        for name in self.session.loaded_setups:
            code = self.session.setups[name].startupcode
            if code.strip() and not self.session.simulated and name in names:
                exec(compile(code, f"<startupcode of {name}>", "exec"), self.namespace)  # noqa: S102 — a setup's own, by the field's design

    def _setup_changed(self) -> None:
        if self._on_setup is not None:
            self._on_setup()

    def _experiment(self) -> Experiment:
        found = self.session.experiment
        if not isinstance(found, Experiment):
            raise ControlError("the loaded setups have no experiment; load one whose sysconfig names it, such as 'system'")
        return found

    def _device(self, named: Named) -> Device:
        return named if isinstance(named, Device) else self.session.get_device(named)

    def _readable(self, named: Named) -> Readable:
        found: Any = self._device(named)
        if not isinstance(resolved(found), Readable):
            raise DeviceError(f"{found.name} has no value")
        return found  # type: ignore[no-any-return]  # or an alias of one

    def _moveable(self, named: Any) -> Moveable:
        if not isinstance(named, Device | str):
            raise ControlError(f"{named!r:.60} is no device")
        found: Any = self._device(named)
        if not isinstance(resolved(found), Moveable):
            raise DeviceError(f"{found.name} can't be moved")
        return found  # type: ignore[no-any-return]  # or an alias of one

    def _all_readables(self) -> list[Readable]:
        devices = (self.session.devices[name] for name in sorted(self.session.explicit_devices))
        return [device for device in devices if isinstance(device, Readable)]

    def _all_moveables(self) -> list[Moveable]:
        return [device for device in list(self.session.devices.values()) if isinstance(device, Moveable)]

    def _pairs(self, words: Sequence[Any]) -> list[tuple[Moveable, Any]]:
        if not words or len(words) % 2:
            raise ControlError("give devices and targets in turn: maw(dev, 5, other, 6)")
        return [(self._moveable(device), target) for device, target in zip(words[::2], words[1::2], strict=True)]

    def _wait(self, devices: Sequence[Moveable]) -> None:
        wait_for(self.session, devices)
        for device in devices if not self.session.simulated else ():
            device.read(0)

    def _each(self, devices: Sequence[Named], method: str) -> None:
        for device in map(self._device, devices):
            call = getattr(device, method, None)
            if call is None:
                raise DeviceError(f"{device.name} can't {method}")
            if not self.session.simulated:
                call()

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


def _is_moving(device: Moveable) -> bool:
    try:
        return not device.is_completed()
    except (DeviceError, LimitError):
        return False
