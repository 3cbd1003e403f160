"""Devices that go to targets: checked against limits before anything moves, busy from the moment `start` returns, stopped, fixed."""

from collections.abc import Mapping
from typing import Any, ClassVar

from testbeam.errors import DeviceError, LimitError
from testbeam.services.control.devices.base import Readable
from testbeam.services.control.devices.host import DeviceHost
from testbeam.services.control.devices.params import Param, limits, none_or, number
from testbeam.services.control.devices.status import State
from testbeam.services.control.devices.waiting import wait_for


class Moveable(Readable):
    """A device that goes to targets."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "target": Param(description="where it was last sent", settable=True, category="general"),
        "fixed": Param(description="why it must not move", type=str, default="", settable=True),
        "requires": Param(description="what a user needs to move it", type=none_or(dict), default=None),
        "timeout": Param(description="how long a motion may take", type=none_or(number), default=None, settable=True, unit="s"),
        "ignore_general_stop": Param(description="left alone by stop() of everything and by the emergency stop", type=bool, default=False),
    }
    field_names: ClassVar[tuple[str, ...]] = ("nicos.core.device.Moveable", "nicos.core.device.Waitable")

    def __init__(self, host: DeviceHost, name: str, config: Mapping[str, Any]) -> None:
        self.started_s = 0.0
        super().__init__(host, name, config)

    def start(self, target: Any) -> None:
        """Send it to a target and return at once.

        Raises:
            LimitError: the target is outside the limits.
            DeviceError: the target does not fit, or the device is fixed.
        """
        target = self.check(target)
        if self.host.simulated:
            self.simulate_move(target)
            return
        if not self.needs_move(target):
            self.keep("target", target)
            return
        before, self.started_s = self.target, self.host.now_s()
        self.keep("target", target)
        self.host.cache.put(f"{self.key}/status", (int(State.BUSY), f"moving to {self.format(target)}"))
        try:
            self.do_start(target)
        except DeviceError:
            self.started_s = 0.0  # it was not sent anywhere
            self.keep("target", before)
            raise

    move = start

    def check(self, target: Any) -> Any:
        """Return a target as the device takes it; nothing moves. Raises as `start`."""
        if self.fixed:
            raise DeviceError(f"{self.name} is fixed and does not move: {self.fixed}; release({self.name}) lets it")
        target = self.fit(target)
        self.check_limits(target)
        return target

    def fit(self, target: Any) -> Any:
        """Return a target in the device's own type; raise DeviceError where it is of another."""
        return target

    def check_limits(self, target: Any) -> None:
        """Raise LimitError where a target is outside the limits."""

    def needs_move(self, target: Any) -> bool:  # noqa: ARG002 — for subclasses
        """Tell whether going to a target is a motion at all."""
        return True

    def do_start(self, target: Any) -> None:
        """Send the hardware to a target."""
        raise NotImplementedError

    def do_stop(self) -> None:
        """Stop the hardware."""

    def is_completed(self) -> bool:
        """Tell whether it has come to an end; raise DeviceError where that is not the target's."""
        state, text = self.status(0)
        if state == State.BUSY:
            if self.timeout and self.host.now_s() - self.started_s > self.timeout:
                place = self.format(self.read(0), unit=True)
                raise DeviceError(
                    f"{self.name} is at {place} after {self.timeout:g} s, its target is {self.format(self.target, unit=True)}"
                )
            return False
        if state in (State.NOTREACHED, State.ERROR):
            place = self.format(self.read(), unit=True)
            raise DeviceError(f"{self.name} did not reach {self.format(self.target, unit=True)} and is at {place}: {text}")
        return True

    def wait(self) -> Any:
        """Wait until it has arrived; return the value."""
        wait_for(self.host, [self])
        return self.read(0)

    def maw(self, target: Any) -> Any:
        """Send it to a target and wait; return the value there."""
        self.start(target)
        return self.wait()

    def stop(self) -> None:
        """Stop it where it is."""
        if not self.host.simulated:
            self.do_stop()
            self.host.woken.set()

    def fix(self, reason: str = "") -> None:
        """Let nobody move it."""
        self.keep("fixed", reason or "fixed by the user")

    def release(self) -> None:
        """Let it be moved again."""
        self.keep("fixed", "")

    def simulate_move(self, target: Any) -> None:
        """Let a dry run see it at the target, after the time that this takes."""
        self.host.sleep(self.time_for(target))
        self.simulate_value(target)
        self._values["target"] = target

    def time_for(self, target: Any) -> float:  # noqa: ARG002 — for subclasses
        """Return how long a motion takes, in seconds, as far as that is known."""
        return 0.0


class LimitedMoveable(Moveable):
    """A moveable with numbers for targets: user limits within absolute ones, and a precision."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "abslimits": Param(description="range that can never be left", type=none_or(limits), default=None, unit="main"),
        "userlimits": Param(description="range that is not left for now", type=none_or(limits), default=None, settable=True, unit="main"),
        "precision": Param(description="how near is at the target", type=none_or(number), default=0.0, settable=True, unit="main"),
    }
    field_names: ClassVar[tuple[str, ...]] = ("nicos.core.mixins.HasLimits", "nicos.core.mixins.HasPrecision")

    def init(self) -> None:
        """Clip user limits that are wider than the absolute ones."""
        super().init()
        if self.userlimits and self.abslimits:
            low, high = max(self.userlimits[0], self.abslimits[0]), min(self.userlimits[1], self.abslimits[1])
            if (low, high) != tuple(self.userlimits):
                self.log.warning(f"user limits {self.userlimits} are clipped to the absolute ones, {(low, high)}")
                self.keep("userlimits", (low, max(low, high)))

    def fit(self, target: Any) -> float:
        """Return the target as a number."""
        try:
            fitted = number(target)
        except (TypeError, ValueError):
            raise DeviceError(f"{self.name} takes numbers, {target!r:.40} was given") from None
        if fitted != fitted:
            raise LimitError(f"{self.name}: nan is no target")
        return fitted

    def hardware_limits(self) -> tuple[float, float] | None:
        """Return the limits that the hardware has of its own."""
        return None

    def check_limits(self, target: Any) -> None:
        """Hold a target against the hardware's, the absolute and the user's limits."""
        hardware = None if self.host.simulated else self.hardware_limits()
        for what, range_ in (("", self.userlimits), ("absolute ", self.abslimits), ("hardware ", hardware)):
            if range_ and tuple(range_) != (0.0, 0.0) and not range_[0] <= target <= range_[1]:
                raise LimitError(
                    f"{self.name} can't go to {self.format(target, unit=True)}: its {what}limits are {range_[0]:g} to {range_[1]:g}"
                )

    def parameter_changes(self, word: str, value: Any) -> Any:
        """Refuse user limits outside the absolute ones."""
        if word == "userlimits" and value and self.abslimits and not self.abslimits[0] <= value[0] <= value[1] <= self.abslimits[1]:
            raise LimitError(f"{self.name}: user limits {value} are outside the absolute ones, {tuple(self.abslimits)}")
        return super().parameter_changes(word, value)

    def is_at(self, target: Any, value: Any) -> bool:
        """Tell whether a value is at a target."""
        return abs(float(value) - float(target)) <= (self.precision or 0.0) + 1e-12 * max(1.0, abs(float(target)))
