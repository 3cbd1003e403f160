"""Commands about setups, the experiment and devices, and what all commands share.

Source: docs/reference/control-commands.md.
"""

import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

from testbeam.errors import ControlError, DeviceError, LimitError
from testbeam.services.control.commands.counting import detectors_of
from testbeam.services.control.commands.flow import Flow
from testbeam.services.control.devices.alias import resolved
from testbeam.services.control.devices.base import Device, Readable
from testbeam.services.control.devices.experiment import Experiment, Sample
from testbeam.services.control.devices.moveable import LimitedMoveable, Moveable
from testbeam.services.control.devices.waiting import wait_for
from testbeam.services.control.session import Session
from testbeam.wire.nicos.daemon_words import MessageLevel

_STOP_S = 5.0
Named = Device | str


class DeviceCommands:
    """Commands over one session that measure nothing; `on_setup` is told when setups have changed."""

    def __init__(self, session: Session, flow: Flow | None, on_setup: Callable[[], None] | None = None) -> None:
        self.session = session
        self.flow = flow
        self.namespace: dict[str, Any] = {}
        self._on_setup = on_setup

    def commands(self) -> dict[str, Callable[..., Any]]:
        """Return the commands by the names that scripts know them by; for `ListCommands`."""
        return {}

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
        for name, method in sorted(self.commands().items()):
            self._tell(f"{name:22} {(method.__doc__ or '').partition(chr(10))[0]}")

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


def _is_moving(device: Moveable) -> bool:
    try:
        return not device.is_completed()
    except (DeviceError, LimitError):
        return False
