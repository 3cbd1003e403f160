"""Base of every device: parameters, a value, a status; kept in the cache.

A class tells its parameters in `parameters`, the devices it works with in `attached`, and the names it has in the field in `field_names`;
all three add up along its bases. The `do_…` methods are what a class has of its own; in a dry run none of them is called.
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from testbeam.errors import DeviceError
from testbeam.services.control.devices.host import DeviceHost
from testbeam.services.control.devices.params import Param, limits, none_or, number, words
from testbeam.services.control.devices.status import State, Status
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
            word: value for word, value in config.items() if word not in self.all_parameters and word not in self.names_of_attached()
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

    @classmethod
    def names_of_attached(cls) -> dict[str, bool]:
        """Return the parameters that name devices to work with, and whether each is a list of them."""
        found: dict[str, bool] = {}
        for base in reversed(cls.__mro__):
            found |= base.__dict__.get("attached", {})
        return found

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
        for word, many in self.names_of_attached().items():
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
