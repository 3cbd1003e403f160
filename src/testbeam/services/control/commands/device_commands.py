"""Commands about the experiment and devices, and what all commands share.

Source: docs/reference/control-commands.md.
"""

import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

from testbeam.errors import ControlError, DeviceError, LimitError
from testbeam.model.deadline import Deadline
from testbeam.services.control.commands.counting import detectors_of
from testbeam.services.control.commands.setup_commands import Named, SetupCommands
from testbeam.services.control.devices.alias import resolved
from testbeam.services.control.devices.base import Device, Readable
from testbeam.services.control.devices.experiment import Experiment, Sample
from testbeam.services.control.devices.moveable import LimitedMoveable, Moveable
from testbeam.services.control.devices.waiting import wait_for
from testbeam.wire.nicos.daemon_words import BreakLevel

_STOP_S = 5.0


class DeviceCommands(SetupCommands):
    """Commands over one session that measure nothing."""

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
            self.session.sleep(0.1, BreakLevel.AFTER_STEP)

    def stop(self, *devices: Named) -> None:
        """Stop these devices, or all; those that do not obey within 5 s are named."""
        wanted = [self._moveable(one) for one in devices] or [one for one in self._all_moveables() if not one.ignore_general_stop]
        problems = []
        for device in wanted:
            try:
                device.stop()
            except DeviceError as error:
                problems.append(str(error))
        deadline, moving = Deadline(_STOP_S), wanted
        while (moving := [one for one in moving if _is_moving(one)]) and not deadline.passed:
            self.session.woken.wait(0.05)
        problems += [f"{one.name} still moves {_STOP_S:g} s after its stop" for one in moving]
        if problems:
            raise DeviceError("; ".join(problems))

    def reset(self, *devices: Named) -> None:
        """Clear errors of devices."""
        for device in map(self._readable, devices):
            if not self.session.simulated:
                device.reset()

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
        if self.session.simulated:
            found.simulate_value(value)
        elif hasattr(found, "set_position"):
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

    def _experiment(self) -> Experiment:
        found = self.session.experiment
        if not isinstance(found, Experiment):
            raise ControlError("the loaded setups have no experiment; load one whose sysconfig names it, such as 'system'")
        return found

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
