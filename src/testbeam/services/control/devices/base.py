"""What every device is: parameters, a value, a status, a target; kept in the cache and checked before anything moves.

A class tells its parameters in `parameters`, the devices it works with in `attached`, and the names it has in the field in `field_names`;
all three add up along its bases. The `do_…` methods are what a class has of its own; in a dry run none of them is called.
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from testbeam.errors import DeviceError, LimitError
from testbeam.services.control.devices.host import DeviceHost
from testbeam.services.control.devices.params import Param, limits, none_or, number, words
from testbeam.services.control.devices.status import State, Status
from testbeam.services.control.devices.waiting import wait_for
from testbeam.wire.nicos.daemon_words import MessageLevel

_NOTHING: Any = object()


class Device:
    """Anything with a name and parameters; what a setup says that the class has no parameter for is kept in `unused`.

    Raises:
        DeviceError: a parameter is missing or does not fit, or an attached device can't be had.
    """

    parameters: ClassVar[Mapping[str, Param]] = {
        "description": Param(description="what it is, for people", type=str, default=""),
        "visibility": Param(description="where it is shown", default=("metadata", "namespace", "devlist")),
        "loglevel": Param(description="least level of its messages", type=str, default="info", settable=True),
        "classes": Param(description="names of its classes", internal=True, default=()),
        "nexus_config": Param(description="how its values get into the file", type=list, default=(), internal=True),
    }
    attached: ClassVar[Mapping[str, bool]] = {}  # parameter → whether it is a list of devices
    field_names: ClassVar[tuple[str, ...]] = ("nicos.core.device.Device",)
    all_parameters: ClassVar[Mapping[str, Param]] = parameters

    def __init_subclass__(cls) -> None:
        merged: dict[str, Param] = {}
        for base in reversed(cls.__mro__):
            merged |= base.__dict__.get("parameters", {})
        cls.all_parameters = merged

    def __init__(self, host: DeviceHost, name: str, config: Mapping[str, Any]) -> None:
        self.__dict__["_values"] = {}
        self.name = name
        self.host = host
        self.key = name.lower()
        self.log = DeviceLog(host, name)
        self.unused = {
            word: value for word, value in config.items() if word not in self.all_parameters and word not in _attached_of(type(self))
        }
        self._take_parameters(config)
        self._attach(config)
        if not host.simulated:
            self.init()
        self._tell_parameters()

    def init(self) -> None:
        """Connect to what stands behind the device."""

    def shutdown(self) -> None:
        """Let go of what stands behind the device."""

    @classmethod
    def names_of_classes(cls) -> list[str]:
        """Return the names in the field of this class and its bases."""
        return list(dict.fromkeys(name for base in cls.__mro__ for name in base.__dict__.get("field_names", ())))

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    def __getattr__(self, word: str) -> Any:
        if word == "classes":
            return self.names_of_classes()
        values = self.__dict__.get("_values", {})
        if word in values:
            return values[word]
        inner = getattr(type(self), word, None)
        if isinstance(inner, property) and inner.fget is not None:  # it is there, and failed by an AttributeError of its own: say that one
            try:
                return inner.fget(self)
            except AttributeError as error:
                raise DeviceError(f"device {self.name!r}: {word}: {error}") from error
        raise AttributeError(f"device {self.__dict__.get('name', '?')!r} has no {word!r}")

    def __setattr__(self, word: str, value: Any) -> None:
        if word in self.all_parameters and "_values" in self.__dict__:
            self.set_parameter(word, value)
        else:
            object.__setattr__(self, word, value)

    def set_parameter(self, word: str, value: Any) -> None:
        """Change a parameter.

        Raises:
            DeviceError: it can't be changed, or the value does not fit.
        """
        param = self.all_parameters[word]
        if not param.settable:
            raise DeviceError(f"{self.name}: parameter {word!r} can't be changed; it is set in the setup")
        value = self._converted(word, value)
        if not self.host.simulated:
            value = self.parameter_changes(word, value)
        self.keep(word, value)

    def parameter_changes(self, word: str, value: Any) -> Any:  # noqa: ARG002 — for subclasses
        """Do what a change of a parameter asks for; return the value to be kept."""
        return value

    def keep(self, word: str, value: Any) -> None:
        """Keep a parameter's value, here and in the cache."""
        self._values[word] = value
        if self.host.writes and not self.host.simulated:
            self.host.cache.put(f"{self.key}/{word}", value)

    def info(self) -> Iterator[tuple[str, str]]:
        """Yield what belongs into the headers of files: name of the value, value."""
        yield from ()

    def _take_parameters(self, config: Mapping[str, Any]) -> None:
        for word, param in self.all_parameters.items():
            if word in config:
                self._values[word] = self._converted(word, config[word])
            elif param.mandatory:
                raise DeviceError(f"device {self.name!r}: parameter {word!r} is missing; {param.description}")
            else:
                self._values[word] = param.default
            if param.settable and (word not in config or word in ("userlimits", "target", "offset", "alias")):
                kept = self.host.cache.get(f"{self.key}/{word}")
                if kept is not None and not kept.expired and kept.value is not None:
                    self._values[word] = self._restored(word, kept.value)

    def _restored(self, word: str, value: Any) -> Any:
        try:
            return self._converted(word, value)
        except DeviceError as error:
            self.log.warning(f"the cache's {word} is not used: {error}")
            return self._values[word]

    def _converted(self, word: str, value: Any) -> Any:
        try:
            return self.all_parameters[word].convert(value)
        except (ValueError, TypeError) as error:
            raise DeviceError(f"device {self.name!r}: parameter {word!r} can't be {value!r:.80}: {error}") from None

    def _attach(self, config: Mapping[str, Any]) -> None:
        self.attached_devices: dict[str, list[Device]] = {}
        for word, many in _attached_of(type(self)).items():
            given = config.get(word)
            names = [] if given is None else words(given) if many else [str(given)]
            self.attached_devices[word] = [self.host.get_device(name) for name in names if name]

    def attached_device(self, word: str) -> "Device | None":
        """Return the device of this role, None where the setup names none."""
        found = self.attached_devices.get(word, [])
        return found[0] if found else None

    def _tell_parameters(self) -> None:
        if self.host.writes and not self.host.simulated:
            for word, value in self._values.items():
                if word != "classes":
                    self.host.cache.put(f"{self.key}/{word}", value)
            self.host.cache.put(f"{self.key}/classes", self.names_of_classes())


class DeviceLog:
    """Messages in the name of a device."""

    def __init__(self, host: DeviceHost, name: str) -> None:
        self._host, self._name = host, name

    def info(self, text: str) -> None:
        """Tell."""
        self._host.log.say(self._name, MessageLevel.INFO, text)

    def warning(self, text: str) -> None:
        """Warn."""
        self._host.log.say(self._name, MessageLevel.WARNING, text)

    def error(self, text: str) -> None:
        """Tell of an error."""
        self._host.log.say(self._name, MessageLevel.ERROR, text)

    def debug(self, text: str) -> None:
        """Tell those who look closely."""
        logging.getLogger(self._name).debug("%s", text)


class Readable(Device):
    """A device with a value and a status."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "unit": Param(description="unit of the value", type=str, default="", settable=True),
        "fmtstr": Param(description="how the value is shown", type=str, default="%.3f", settable=True),
        "maxage": Param(description="how old a cached value may be", type=none_or(number), default=12, settable=True, unit="s"),
        "pollinterval": Param(description="how often the poller reads it", type=none_or(number), default=5, settable=True, unit="s"),
        "warnlimits": Param(description="range outside which the status warns", type=none_or(limits), settable=True, unit="main"),
    }
    field_names: ClassVar[tuple[str, ...]] = ("nicos.core.device.Readable",)
    valuetype: type = float
    has_events = False  # whether it learns of changes by itself, so that the poller need not read

    def read(self, maxage: float | None = None) -> Any:
        """Return the value: the cached one where it is young enough (`maxage` s, 0 for a new one), else from the hardware.

        Raises:
            DeviceError: it can't be read.
        """
        if self.host.simulated:
            return self.simulated_value()
        return self._cached("value", maxage, self.do_read)

    def status(self, maxage: float | None = None) -> Status:
        """Return state and text, cached or new as `read`."""
        if self.host.simulated:
            return State.OK, "dry run"
        state, text = self._cached("status", maxage, self._new_status)
        return int(state), str(text)

    def do_read(self) -> Any:
        """Return the value from the hardware."""
        raise NotImplementedError

    def do_status(self) -> Status:
        """Return the status from the hardware."""
        return State.OK, ""

    def poll(self) -> tuple[Status, Any]:
        """Read status and value for the cache, as the poller does."""
        status = self.status(0)
        return status, self.read(0)

    def reset(self) -> None:
        """Clear an error, where the device can."""

    def format(self, value: Any, unit: bool = False) -> str:
        """Return a value as people read it."""
        try:
            text = self.fmtstr % value
        except (TypeError, ValueError):
            text = str(value)
        return f"{text} {self.unit}".rstrip() if unit else text

    def simulated_value(self) -> Any:
        """Return what the value would be in the dry run: that of now until something moves it."""
        if "_simulated" not in self.__dict__:
            kept = self.host.cache.get(f"{self.key}/value")
            self._simulated = kept.value if kept is not None else self.simulated_default()
        return self._simulated

    def simulated_default(self) -> Any:
        """Return a value for a dry run that nothing is known of."""
        return 0.0 if self.valuetype is float else "" if self.valuetype is str else 0

    def simulate_value(self, value: Any) -> None:
        """Set what a dry run reads from now on."""
        self._simulated = value

    def value_info(self) -> list[tuple[str, str]]:
        """Return name and unit of each value that `read` gives."""
        return [(self.name, self.unit)]

    def info(self) -> Iterator[tuple[str, str]]:
        """Yield value and status as text."""
        try:
            yield "value", self.format(self.read(), unit=True)
            yield "status", self.status()[1] or "ok"
        except DeviceError as error:
            yield "value", f"unknown: {error}"

    def history(self, name: str = "value", begin_s: float | None = None, end_s: float | None = None) -> list[tuple[float, Any]]:
        """Return the cached values of a time, by default all that are kept."""
        ask = getattr(self.host.cache, "history", None)
        if ask is None:
            return []
        now_s = self.host.now_s()
        values = ask(f"{self.key}/{name}", now_s - 86_400 if begin_s is None else begin_s, now_s if end_s is None else end_s)
        return [(one.time_s, one.value) for one in values]

    def _new_status(self) -> Status:
        state, text = self.do_status()
        if state == State.OK and self.warnlimits:
            value, (low, high) = self.read(), self.warnlimits
            if isinstance(value, int | float) and not low <= value <= high:
                return State.WARN, f"{value:g} is outside its warning limits {low:g} to {high:g}"
        return state, text

    def _cached(self, word: str, maxage: float | None, read: Any) -> Any:
        age_s = self.maxage if maxage is None else maxage
        now_s = self.host.now_s()
        if age_s is None or age_s > 0:
            kept = self.host.cache.get(f"{self.key}/{word}")
            if kept is not None and kept.is_fresh(now_s) and (age_s is None or now_s - kept.time_s <= age_s):
                return kept.value
        value = read()
        self.host.cache.put(f"{self.key}/{word}", value, time_s=now_s)
        return value


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


def _attached_of(kind: type[Device]) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for base in reversed(kind.__mro__):
        found |= base.__dict__.get("attached", {})
    return found
