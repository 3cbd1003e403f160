"""A session: the setups that are loaded, the devices made of them, and what these share: cache, PV clients, Kafka.

The daemon's owns the instrument, a poller's only reads, a dry run's touches nothing. Devices are made when a setup is loaded, each
after those that it works with; what can't be made is kept in `device_failures` and told.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from testbeam.errors import DeviceError, SetupError
from testbeam.model.deadline import Deadline
from testbeam.services.control.devices import registry
from testbeam.services.control.devices.base import Device
from testbeam.services.control.devices.host import DeviceCache, Log
from testbeam.services.control.setups.declared import DeviceConfig, Setup
from testbeam.services.control.setups.files import line_of
from testbeam.transport.kafka.client import Kafka
from testbeam.transport.kafka.listener import KafkaListener
from testbeam.transport.pv_watch import PvWatch
from testbeam.wire.nicos.daemon_words import BreakLevel, MessageLevel

Breakpoint = Callable[[int], None]
OnArray = Callable[[str, float, Any], None]  # device, time (s since 1970), array
_PARALLEL_S = 0.05


class Session:
    """A session; it is a `DeviceHost`."""

    def __init__(
        self, setups: Mapping[str, Setup], cache: DeviceCache, log: Log, *, writes: bool = True, breakpoint_: Breakpoint | None = None
    ) -> None:
        self.setups = dict(setups)
        self.cache = cache
        self.log = log
        self.devices: dict[str, Device] = {}
        self.device_failures: dict[str, str] = {}
        self.unknown_classes: dict[str, str] = {}  # device → class that nobody knows here
        self.loaded_setups: list[str] = []
        self.explicit_setups: list[str] = []
        self.configs: dict[str, DeviceConfig] = {}
        self.setup_of: dict[str, str] = {}
        self.preferred_aliases: dict[str, str] = {}  # alias → device, as the setups have it
        self.woken = threading.Event()
        self.on_array: OnArray = lambda *_: None
        self._writes = writes
        self._breakpoint = breakpoint_
        self._sysconfig: dict[str, Any] = {}
        self._making: list[str] = []
        self._lock = threading.RLock()
        self._watches: dict[str, PvWatch] = {}
        self._kafkas: dict[tuple[str, ...], Kafka] = {}
        self._listeners: dict[tuple[str, ...], KafkaListener] = {}

    @property
    def simulated(self) -> bool:
        """Tell whether this is a dry run."""
        return False

    @property
    def writes(self) -> bool:
        """Tell whether this session owns the instrument."""
        return self._writes

    @property
    def sysconfig(self) -> Mapping[str, Any]:
        """Return what the loaded setups say of the system."""
        return self._sysconfig

    @property
    def experiment(self) -> Any:
        """Return the experiment device, None where the setups have none."""
        return self.find_device(str(self._sysconfig.get("experiment", "")))

    @property
    def instrument(self) -> Any:
        """Return the instrument device, None where the setups have none."""
        return self.find_device(str(self._sysconfig.get("instrument", "")))

    @property
    def explicit_devices(self) -> set[str]:
        """Return the devices that users see by their names."""
        return {name for name, device in list(self.devices.items()) if "namespace" in (device.visibility or ())}

    def now_s(self) -> float:
        """Return the time."""
        return time.time()

    def sleep(self, seconds: float, level: int = BreakLevel.IMMEDIATE) -> None:
        """Wait, open for breaks and stops of this level and more urgent ones."""
        deadline = Deadline(seconds)
        while not deadline.passed:
            self.breakpoint(level)
            time.sleep(min(deadline.left_s, _PARALLEL_S))  # the time itself is what a user waits for

    def breakpoint(self, level: int) -> None:
        """Wait for a break's end, or end by a stop."""
        if self._breakpoint is not None:
            self._breakpoint(level)

    def find_device(self, name: str) -> Device | None:
        """Return a device that is there."""
        return self.devices.get(name)

    def get_device(self, name: str) -> Device:
        """Return a device, made if need be; see `DeviceHost`."""
        found = self.devices.get(name)
        if found is not None:
            return found
        with self._lock:
            return self.devices.get(name) or self._make(name)

    def alias_target(self, alias: str, kept: str) -> str:
        """Return the device that an alias begins with; see `DeviceHost`."""
        return kept if kept in self.configs else self.preferred_aliases.get(alias, "")

    def show(self, name: str, time_s: float, data: Any) -> None:
        """Show an array; see `DeviceHost`."""
        self.on_array(name, time_s, data)

    def pvs(self, protocol: str) -> PvWatch:
        """Return the client of "pva" or "ca", made at the first call."""
        with self._lock:
            watch = self._watches.get(protocol)
            if watch is None:
                watch = self._watches[protocol] = _new_watch(protocol)
            return watch

    def kafka(self, brokers: Any) -> Kafka:
        """Return a cluster."""
        key = _brokers(brokers)
        return self._kafkas.setdefault(key, Kafka(bootstrap=",".join(key)))

    def listener(self, brokers: Any) -> KafkaListener:
        """Return the one reader of a cluster."""
        with self._lock:
            key = _brokers(brokers)
            if key not in self._listeners:
                self._listeners[key] = KafkaListener(self.kafka(brokers))
            return self._listeners[key]

    def load(self, names: Sequence[str], *, first: Sequence[str] = (), anew: bool = False) -> None:
        """Load setups and what they include, on top of those that are loaded, or `anew` in their place.

        What is to be there `first` does not count as asked for by the user.

        Raises:
            SetupError: one is not there or can't be read: nothing has changed then. Or devices could not be made: they are
                named, and all others are there.
        """
        order = self._order([*first, *names], () if anew else self.loaded_setups)
        if anew:
            self.unload()
        new = [name for name in order if name not in self.loaded_setups]
        for name in new:
            self._take_setup(self.setups[name])
        self.loaded_setups += new
        self.explicit_setups += [name for name in names if name not in self.explicit_setups]
        wanted = [name for name, setup in self.setup_of.items() if setup in new]
        self._prefer_aliases(new)
        self._make_all(wanted)
        failed = {name: why for name, why in self.device_failures.items() if name in wanted and name not in self.unknown_classes}
        self._tell_unknown(wanted)
        if failed:
            raise SetupError("devices could not be made: " + "; ".join(f"{name}{self._place(name)}: {why}" for name, why in failed.items()))

    def unload(self) -> None:
        """Let go of all devices and setups."""
        for device in reversed(list(self.devices.values())):
            try:
                device.shutdown()
            except Exception as error:  # whatever stands behind a device: the others still have to be let go
                self.log.say(device.name, MessageLevel.WARNING, f"its end failed: {error}")
        for known in (
            self.devices,
            self.device_failures,
            self.unknown_classes,
            self.configs,
            self.setup_of,
            self.preferred_aliases,
            self._sysconfig,
        ):
            known.clear()
        self.loaded_setups.clear()
        self.explicit_setups.clear()

    def remove(self, name: str) -> None:
        """Let go of one device; it is made anew when it is asked for."""
        device = self.devices.pop(name, None)
        if device is not None:
            device.shutdown()

    def close(self) -> None:
        """Let go of everything."""
        self.unload()
        for listener in self._listeners.values():
            listener.close()
        for watch in self._watches.values():
            watch.close()

    def _order(self, names: Sequence[str], loaded: Sequence[str]) -> list[str]:
        """Return the setups with what they include before them; raise SetupError where that can't be, beside what is `loaded`."""
        order: list[str] = []

        def visit(name: str, path: tuple[str, ...]) -> None:
            setup = self.setups.get(name)
            if setup is None:
                import difflib

                near = difflib.get_close_matches(name, self.setups)
                hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(sorted(self.setups)[:20])}"
                raise SetupError(f"there is no setup {name!r}; {hint}")
            if setup.problem:
                raise SetupError(setup.problem)
            if setup.group in ("special", "configdata"):
                raise SetupError(f"setup {name!r} is of group {setup.group} and can't be loaded; it is for a service")
            if name in order or name in path:
                return
            for included in setup.includes:
                visit(included, (*path, name))
            order.append(name)

        for name in names:
            visit(name, ())
        beside = dict.fromkeys((*loaded, *order))
        for name in order:
            excluded = next((one for one in self.setups[name].excludes if one in beside), None)
            if excluded is not None:
                raise SetupError(f"setup {name!r} excludes {excluded!r}, which is loaded; NewSetup without that one")
        return order

    def _take_setup(self, setup: Setup) -> None:
        for name, config in setup.devices.items():
            if config is None:
                self.configs.pop(name, None)
                self.setup_of.pop(name, None)
            else:
                self.configs[name], self.setup_of[name] = config, setup.name
        for word, value in setup.sysconfig.items():
            known = self._sysconfig.get(word)
            self._sysconfig[word] = [*known, *(one for one in value if one not in known)] if isinstance(known, list) else value

    def _prefer_aliases(self, names: Sequence[str]) -> None:
        """Note, for each alias that these setups have a preference for, the device of highest priority that there is."""
        changed = {alias for name in names for alias in self.setups[name].alias_config}
        for alias in changed:
            ranked: dict[str, int] = {}
            for name in self.loaded_setups:
                ranked |= self.setups[name].alias_config.get(alias, {})
            there = [device for device in sorted(ranked, key=lambda one: -ranked[one]) if device in self.configs]
            if alias not in self.configs or not there:
                what = "is no device" if alias not in self.configs else f"could stand for {', '.join(ranked)}, and none of them is there"
                self.log.say(alias, MessageLevel.WARNING, f"alias {alias} {what}")
                continue
            self.preferred_aliases[alias] = there[0]
            found = self.devices.get(alias)
            if found is not None:
                found.set_parameter("alias", there[0])

    def _make_all(self, names: Iterable[str]) -> None:
        for name in names:
            if not registry.is_known(self.configs[name].class_name):
                self.unknown_classes[name] = self.configs[name].class_name
                self.device_failures[name] = f"class {self.configs[name].class_name} is not known to testbeam"
        for name in names:
            if name not in self.unknown_classes and name not in self.devices:
                try:
                    self.get_device(name)
                except DeviceError as error:
                    self._note_failure(name, error)

    def _note_failure(self, name: str, error: DeviceError) -> None:
        """Note a device that can't be made; one that works with a device of an unknown class is as unknown as that."""
        self.device_failures[name] = str(error)
        unknown = self._unknown_below(name, set())
        if unknown:
            self.unknown_classes[name] = unknown

    def _unknown_below(self, name: str, seen: set[str]) -> str:
        """Return the first class that nobody knows among those of a device and what it works with, "" where there is none."""
        if name in seen or name not in self.configs:
            return ""
        kind = self.configs[name].class_name
        if not registry.is_known(kind):
            return kind
        return next(filter(None, (self._unknown_below(one, seen | {name}) for one in self._needs(name))), "")

    def _place(self, name: str) -> str:
        """Return where a device is declared, in brackets."""
        setup = self.setups.get(self.setup_of.get(name, ""))
        return "" if setup is None else f" ({setup.file}{line_of(setup.file, name)})"

    def _needs(self, name: str) -> list[str]:
        config = self.configs[name]
        given = (config.parameters.get(word) for word in registry.class_of(config.class_name).names_of_attached())
        return [str(one) for value in given if value for one in (value if isinstance(value, list | tuple) else [value])]

    def _make(self, name: str) -> Device:
        config = self.configs.get(name)
        if config is None:
            where = [setup.name for setup in self.setups.values() if name in setup.devices]
            hint = f"; setup {where[0]!r} has it: AddSetup({where[0]!r})" if where else ""
            raise DeviceError(f"there is no device {name!r} in the loaded setups{hint}")
        if name in self._making:
            raise DeviceError(f"device {name!r} needs itself: {' → '.join((*self._making, name))}")
        self._making.append(name)
        try:
            device = registry.class_of(config.class_name)(self, name, config.parameters)
        except DeviceError:
            raise
        except Exception as error:  # a class' own code, or a library's: the device can't be made, and says so
            raise DeviceError(f"device {name!r} can't be made: {type(error).__name__}: {error}") from error
        finally:
            self._making.remove(name)
        self.devices[name] = device
        self.device_failures.pop(name, None)
        return device

    def _tell_unknown(self, wanted: Iterable[str]) -> None:
        classes: dict[str, list[str]] = {}
        for name in wanted:
            if name in self.unknown_classes:
                classes.setdefault(self.unknown_classes[name], []).append(name)
        for kind, names in classes.items():
            self.log.say("", MessageLevel.WARNING, f"class {kind} is not known to testbeam; not made: {', '.join(names)}")


def _brokers(given: Any) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _new_watch(protocol: str) -> PvWatch:
    if protocol == "ca":
        from testbeam.transport.ca.watch import CaWatch

        return CaWatch()
    from testbeam.transport.pva.watch import PvaWatch

    return PvaWatch()
