"""Devices behind EPICS PVs: numbers, texts, choices; read only or moveable, over PVA or CA.

A device's PVs are watched from its creation on, so that a change is known at once; a new value (`read(0)`) is asked for at the IOC.
Source: docs/reference/contracts/control.md, "Commands and devices".
"""

import time
from collections.abc import Mapping
from typing import Any, ClassVar

from testbeam.errors import DeviceError, LimitError, TransportError
from testbeam.services.control.devices.base import Readable
from testbeam.services.control.devices.moveable import LimitedMoveable, Moveable
from testbeam.services.control.devices.params import Param, none_or, number, sequence, table
from testbeam.services.control.devices.status import State, Status
from testbeam.transport.pv_watch import PvSnapshot, PvWatch
from testbeam.wire.pv_reading import PvValue

_BY_SEVERITY = {0: State.OK, 1: State.WARN, 2: State.ERROR, 3: State.ERROR}


class EpicsDevice(Readable):
    """What all EPICS devices have in common: their PVs, named by the parameters in `pv_parameters`."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "pva": Param(description="PV Access rather than Channel Access", type=bool, default=True),
        "monitor": Param(description="whether changes are told", type=bool, default=True),
        "epicstimeout": Param(description="how long the IOC may take to answer", type=number, default=3.0, unit="s"),
        "nexus_config": Param(description="how its PVs get into the file", type=list, default=(), internal=True),
    }
    pv_parameters: ClassVar[tuple[str, ...]] = ()
    has_events = True

    def init(self) -> None:
        """Watch the PVs."""
        super().init()
        self._epics_wrapper = EpicsAccess(self)
        for word in self.pv_parameters:
            if self._values.get(word):
                self.pvs.watch(self._values[word], self.changed)

    def changed(self, snapshot: PvSnapshot) -> None:  # noqa: ARG002 — for subclasses
        """Take note of a change of any PV; called by the watch's thread."""
        self.host.woken.set()

    @property
    def pvs(self) -> PvWatch:
        """Return the client of this device's protocol."""
        return self.host.pvs("pva" if self.pva else "ca")

    def known(self, word: str) -> PvSnapshot:
        """Return what is known of the PV of a parameter."""
        return self.pvs.snapshot(self._values[word])

    def get(self, word: str) -> PvSnapshot:
        """Ask the IOC for the PV of a parameter; raise DeviceError where it does not answer."""
        name = self._values[word]
        if not self.host.writes and word in self.pv_parameters and not self.known(word).connected:
            raise DeviceError(f"{self.name}: PV {name} is not connected")  # a poller has others to read, and is told when it is
        try:
            return self.pvs.get(name, self.epicstimeout)
        except TransportError as error:
            raise DeviceError(f"{self.name}: {error}") from None

    def put(self, word: str, value: PvValue, *, wait: bool = False) -> None:
        """Write the PV of a parameter; raise DeviceError where it is refused."""
        try:
            self.pvs.put(self._values[word], value, wait=wait, within_s=self.epicstimeout)
        except TransportError as error:
            raise DeviceError(f"{self.name}: {error}") from None

    def alarm_status(self) -> Status:
        """Return the status that connections and alarms of the PVs make."""
        state, texts = State.OK, []
        for word in self.pv_parameters:
            pv = self._values.get(word)
            if not pv:
                continue
            snapshot = self.known(word)
            if not snapshot.connected:
                if snapshot.reading is None and self.host.now_s() - self.created_s < self.epicstimeout:
                    snapshot = self.get(word)
                else:
                    return State.ERROR, f"PV {pv} is disconnected"
            reading = snapshot.reading
            if reading is not None and reading.severity:
                found = _BY_SEVERITY.get(reading.severity, State.UNKNOWN)
                state = max(state, found)
                texts.append(f"{pv}: {reading.status}")
        return state, ", ".join(dict.fromkeys(texts))

    @property
    def created_s(self) -> float:
        """Return when the device was made, s since 1970."""
        return float(self.__dict__.setdefault("_created_s", time.time()))

    def do_status(self) -> Status:
        """Return the alarms."""
        return self.alarm_status()


class EpicsAccess:
    """The IOC's PVs by name, for a look from a script."""

    def __init__(self, device: EpicsDevice) -> None:
        self._device = device

    def get_pv_value(self, name: str) -> PvValue:
        """Return the value of any PV."""
        reading = self._device.pvs.get(name, self._device.epicstimeout).reading
        if reading is None:
            raise DeviceError(f"PV {name!r} has no value")
        return reading.value


class EpicsReadable(EpicsDevice):
    """A number of a PV, read only."""

    parameters: ClassVar[Mapping[str, Param]] = {"readpv": Param(description="PV of the value", type=str, mandatory=True)}
    pv_parameters: ClassVar[tuple[str, ...]] = ("readpv",)
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.epics.pva.epics_devices.EpicsReadable",)

    def do_read(self) -> Any:
        """Ask the IOC."""
        return self.value_of(self.get("readpv"))

    def value_of(self, snapshot: PvSnapshot) -> Any:
        """Return the value that a PV's reading stands for; also takes over its unit where the setup names none."""
        if snapshot.reading is None:
            raise DeviceError(f"{self.name}: PV {snapshot.name} has no value")
        if not self.unit and snapshot.reading.units:
            self.keep("unit", snapshot.reading.units)
        return snapshot.reading.value


class EpicsStringReadable(EpicsReadable):
    """A text of a PV, read only."""

    valuetype: type = str
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.epics.pva.epics_devices.EpicsStringReadable",)
    parameters: ClassVar[Mapping[str, Param]] = {
        "fmtstr": Param(description="how the value is shown", type=str, default="%s", settable=True)
    }

    def value_of(self, snapshot: PvSnapshot) -> str:
        """Return the text."""
        return snapshot.reading.text if snapshot.reading is not None else ""


class EpicsMappedReadable(EpicsStringReadable):
    """A choice of a PV by its name: the names are `mapping`'s, else the record's own."""

    parameters: ClassVar[Mapping[str, Param]] = {"mapping": Param(description="name → value of the PV", type=none_or(table), default=None)}
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.epics.pva.epics_devices.EpicsMappedReadable",)

    def value_of(self, snapshot: PvSnapshot) -> str:
        """Return the name."""
        reading = snapshot.reading
        if reading is None:
            return ""
        if self.mapping:
            return next((name for name, value in self.mapping.items() if reading.matches(value)), reading.text)
        return reading.text


class EpicsMoveable(EpicsReadable, Moveable):
    """A PV that is written, and one that tells what came of it."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "writepv": Param(description="PV of the set point", type=str, mandatory=True),
        "targetpv": Param(description="PV that tells the set point, where that is another", type=str, default=""),
    }
    pv_parameters: ClassVar[tuple[str, ...]] = ("readpv", "writepv", "targetpv")

    def do_start(self, target: Any) -> None:
        """Write the set point."""
        self._accepted = False
        self.put("writepv", self.to_pv(target))

    def to_pv(self, target: Any) -> PvValue:
        """Return a target as the PV takes it."""
        value: PvValue = target
        return value

    def is_there(self) -> bool:
        """Tell whether the value is at the target."""
        return bool(self.value_of(self.get("readpv")) == self.target)

    def do_status(self) -> Status:
        """Return BUSY until the value is at the target of the last start, besides the alarms."""
        state, text = self.alarm_status()
        if state == State.ERROR or not self.started_s or self.target is None or self.is_there():
            return state, text
        if self._was_overruled():
            return State.NOTREACHED, "its set point was changed by somebody else"
        return State.BUSY, f"moving to {self.format(self.target)}"

    def _was_overruled(self) -> bool:
        """Tell whether the set point is another than ours, once it has been ours."""
        word = "targetpv" if self.targetpv else "writepv"
        reading = self.known(word).reading
        if reading is None:
            return False
        if self.is_set(reading.value, reading.text):
            self._accepted = True
            return False
        return bool(self.__dict__.get("_accepted"))

    def is_set(self, value: PvValue, text: str) -> bool:
        """Tell whether a set point is our target."""
        return self.to_pv(self.target) in (value, text)


class EpicsAnalogMoveable(LimitedMoveable, EpicsMoveable):
    """A number that is written and read back; the limits are the display's, else the control's, and (0, 0) is none."""

    parameters: ClassVar[Mapping[str, Param]] = {"stoppv": Param(description="PV that a 1 is written to for a stop", type=str, default="")}
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.epics.pva.epics_devices.EpicsAnalogMoveable",)

    def hardware_limits(self) -> tuple[float, float] | None:
        """Return the record's limits of now."""
        snapshot = self.known("writepv")
        if not snapshot.connected:
            snapshot = self.get("writepv")
        return snapshot.limits

    def tolerance(self) -> float:
        """Return how near is at the target: the precision, but not finer than the record shows."""
        digits = self.known("readpv").precision
        shown = 0.5 * 10.0**-digits if digits and 0 < digits < 16 and not self.precision else 0.0
        return max(self.precision or 0.0, shown)

    def is_at(self, target: Any, value: Any) -> bool:
        """Tell whether a value is at a target."""
        return abs(float(value) - float(target)) <= self.tolerance() + 1e-9 * max(1.0, abs(float(target)))

    def is_there(self) -> bool:
        """Tell whether the readback of now is at the target."""
        return self.is_at(self.target, self.value_of(self.get("readpv")))

    def is_set(self, value: PvValue, text: str) -> bool:  # noqa: ARG002 — a number has no other text
        """Tell whether a set point is our target."""
        return isinstance(value, int | float) and self.is_at(self.target, value)

    def do_stop(self) -> None:
        """Stop by the PV for that, else by making the place of now the set point."""
        if self.stoppv:
            self.put("stoppv", 1)
        elif self.do_status()[0] == State.BUSY:
            here = self.value_of(self.get("readpv"))
            self.keep("target", here)
            self.put("writepv", here)


class EpicsStringMoveable(EpicsMoveable, EpicsStringReadable):
    """A text that is written and read back."""

    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.epics.pva.epics_devices.EpicsStringMoveable",)

    def fit(self, target: Any) -> str:
        """Return the target as text."""
        return str(target)


class EpicsMappedMoveable(EpicsMoveable, EpicsMappedReadable):
    """A choice that is written by its name."""

    field_names: ClassVar[tuple[str, ...]] = (
        "nicos_ess.devices.epics.pva.epics_devices.EpicsMappedMoveable",
        "nicos.core.mixins.HasMapping",
    )

    @property
    def choices(self) -> tuple[str, ...]:
        """Return the names of the choices."""
        if self.mapping:
            return tuple(map(str, self.mapping))
        reading = (self.known("writepv") if self.known("writepv").reading else self.get("writepv")).reading
        return reading.choices if reading is not None else ()

    def fit(self, target: Any) -> str:
        """Return the target's name; a value of the PV will do."""
        choices = () if self.host.simulated and not self.mapping else self.choices
        if self.mapping and target not in self.mapping:
            target = next((name for name, value in self.mapping.items() if value == target), target)
        if isinstance(target, int) and not isinstance(target, bool) and not self.mapping and 0 <= target < len(choices):
            target = choices[target]
        if choices and str(target) not in choices:
            raise LimitError(f"{self.name} can't go to {target!r}; it takes {', '.join(choices)}")
        return str(target)

    def to_pv(self, target: Any) -> PvValue:
        """Return the value behind a name."""
        value: PvValue = next((value for name, value in self.mapping.items() if str(name) == target), target) if self.mapping else target
        return value


class EpicsShutter(EpicsMappedMoveable):
    """A shutter: a choice, with a PV that clears its errors."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "resetpv": Param(description="PV that a 1 is written to for a reset", type=str, default=""),
        "msgtxt": Param(description="PV of its message", type=str, default=""),
    }
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.epics.pva.shutter.EpicsShutter",)

    def reset(self) -> None:
        """Clear its errors."""
        if self.resetpv:
            self.put("resetpv", 1)


class EpicsManualMappedAnalogMoveable(EpicsAnalogMoveable):
    """A number that is set by names: `mapping` gives the number of each; a number is taken, too."""

    parameters: ClassVar[Mapping[str, Param]] = {"mapping": Param(description="name → number", type=table, default=None, mandatory=True)}
    field_names: ClassVar[tuple[str, ...]] = (
        "nicos_ess.devices.epics.pva.epics_devices.EpicsManualMappedAnalogMoveable",
        "nicos.core.mixins.HasMapping",
    )

    def fit(self, target: Any) -> float:
        """Return the number behind a name."""
        if isinstance(target, str):
            if target not in self.mapping:
                raise LimitError(f"{self.name} can't go to {target!r}; it takes {', '.join(map(str, self.mapping))}, or a number")
            target = self.mapping[target]
        return super().fit(target)


class EpicsManualSwitch(EpicsDevice, Moveable):
    """One of some states, written to a PV and told by it; `mapping` gives the PV's value of each, else it is the state itself."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "writepv": Param(description="PV of the state", type=str, mandatory=True),
        "states": Param(description="what it may be", type=sequence, mandatory=True),
        "mapping": Param(description="state → value of the PV", type=none_or(table), default=None),
        "fmtstr": Param(description="how the value is shown", type=str, default="%s", settable=True),
    }
    pv_parameters: ClassVar[tuple[str, ...]] = ("writepv",)
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.epics.manual_switch.ManualSwitch",)
    valuetype: type = str

    def fit(self, target: Any) -> Any:
        """Return the state."""
        if target not in self.states:
            raise LimitError(f"{self.name} can't go to {target!r}; it takes {', '.join(map(str, self.states))}")
        return target

    def do_start(self, target: Any) -> None:
        """Write the state."""
        self.put("writepv", self._raw(target), wait=True)

    def do_read(self) -> Any:
        """Return the state that the PV stands for; what is none is told as it is."""
        reading = self.get("writepv").reading
        if reading is None:
            raise DeviceError(f"{self.name}: PV {self.writepv} has no value")
        return next((state for state in self.states if reading.matches(self._raw(state)) or reading.text == state), reading.text)

    def _raw(self, state: Any) -> PvValue:
        value: PvValue = (self.mapping or {}).get(state, state)
        return value
