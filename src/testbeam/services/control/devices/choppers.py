"""Choppers: alarms of one, the mean of its delay errors, its controller, and its phase in degrees.

Source: docs/reference/control-commands.md, "Choppers".
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from testbeam.errors import DeviceError
from testbeam.model.time import NS_PER_S
from testbeam.services.control.devices.alarm_groups import AlarmGroup
from testbeam.services.control.devices.base import Readable
from testbeam.services.control.devices.epics import EpicsReadable
from testbeam.services.control.devices.moveable import LimitedMoveable, Moveable
from testbeam.services.control.devices.params import Param, number
from testbeam.services.control.devices.status import State, Status, worst
from testbeam.transport.pv_watch import PvSnapshot

_DEGREES = 360
_CONNECTED = "Connected"


class ChopperAlarms(AlarmGroup):
    """Alarms of a chopper, a PV for each part of it."""

    suffixes: ClassVar[tuple[str, ...]] = (
        *("Comm_Alrm", "HW_Alrm", "IntLock_Alrm", "Lvl_Alrm", "Pos_Alrm"),
        *("Pwr_Alrm", "Ref_Alrm", "SW_Alrm", "Volt_Alrm"),
    )
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.epics.chopper.ChopperAlarms",)


class NewChopperAlarms(AlarmGroup):
    """Alarms of a chopper of the newer kind."""

    suffixes: ClassVar[tuple[str, ...]] = (
        *("Comm_Alrms", "HW_Alrms", "IntLock_Alrms", "Lvl_Alrm"),
        *("Pos_Alrms", "Pwr_Alrms", "SW_Alrms", "Volt_Alrms"),
    )
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.epics.chopper.NewChopperAlarms",)


class ChopperDelayError(EpicsReadable):
    """The mean of the errors of a chopper's delay, of which the PV has the newest."""

    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.epics.chopper_delay_error.ChopperDelayError",)

    def value_of(self, snapshot: PvSnapshot) -> float:
        """Return the mean."""
        value = super().value_of(snapshot)
        values = list(value) if hasattr(value, "__len__") else [value]
        return float(sum(values) / len(values)) if values else 0.0


class ChopperController(Moveable):
    """A chopper: its state, the commands that it takes, and what hinders it."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "slit_edges": Param(description="edges of its slits, for the file", default=()),
        "resolver_offset": Param(description="offset of its resolver", type=number, default=0.0, unit="degrees"),
        "tdc_offset": Param(description="offset of its top dead centre", type=number, default=0.0, unit="degrees"),
        "spin_direction": Param(description="CW or CCW", type=str, default="CW"),
        "fmtstr": Param(description="how the value is shown", type=str, default="%s"),
    }
    attached: ClassVar[Mapping[str, bool]] = {"state": False, "command": False, "alarms": False, "speed": False, "chic_conn": False}
    field_names: ClassVar[tuple[str, ...]] = (
        "nicos_ess.devices.epics.chopper.EssChopperController",
        "nicos.core.mixins.HasMapping",
    )
    valuetype: type = str

    @property
    def mapping(self) -> Any:
        """Return the commands that it takes."""
        return getattr(self._part("command"), "mapping", None) or {}

    def fit(self, target: Any) -> Any:
        """Return the command as its PV takes it."""
        return self._part("command").fit(target)

    def do_start(self, target: Any) -> None:
        """Give the command; a stop sets the speed to nothing first, as the drive would otherwise go on to it at its next start."""
        if str(target).lower() == "stop" and self.attached_device("speed") is not None:
            speed = self._part("speed")
            names = getattr(speed, "mapping", None) or {}
            speed.start(next((name for name, value in names.items() if value == 0), 0))
        self._part("command").start(target)

    def do_read(self) -> Any:
        """Return the state."""
        return self._part("state").read(0)

    def do_status(self) -> Status:
        """Return what hinders it: alarms, the lost connection of its controller."""
        alarms, connection = self.attached_device("alarms"), self.attached_device("chic_conn")
        found = alarms.status(0) if isinstance(alarms, Readable) else (int(State.OK), "")
        if found[0] == State.OK and isinstance(connection, Readable) and connection.read(0) != _CONNECTED:
            return State.ERROR, "no connection to its controller"
        return found

    def _part(self, word: str) -> Any:
        found = self.attached_device(word)
        if found is None:
            raise DeviceError(f"{self.name} has no `{word}`; its setup has to name the device")
        return found


class ChopperPhase(LimitedMoveable):
    """A delay in ns as an angle: by the speed that the chopper is set to."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "offset": Param(description="angle at the delay 0", type=number, default=0.0, settable=True, unit="main"),
        "unit": Param(description="unit of the value", type=str, default="degrees"),
    }
    attached: ClassVar[Mapping[str, bool]] = {"phase_ns_dev": False, "mapped_speed_dev": False}
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.transformer_devices.ChopperPhase",)

    @property
    def speed(self) -> float:
        """Return the speed that the chopper is set to, in Hz; raise DeviceError where that is no number."""
        device: Any = self.attached_device("mapped_speed_dev")
        names = getattr(device, "mapping", None) or {}
        target = device.target if device.target is not None else device.read()
        try:
            return abs(float(names.get(target, target)))
        except (TypeError, ValueError):
            raise DeviceError(f"{self.name}: the speed of {device.name} is {target!r:.40}, no number") from None

    def check(self, target: Any) -> Any:
        """Return the target; held against the limits of the delay, too."""
        target = super().check(target)
        self._delay.check(self._ns(target))
        return target

    def do_start(self, target: Any) -> None:
        """Set the delay."""
        self._delay.start(self._ns(target))

    def do_stop(self) -> None:
        """Stop the delay."""
        self._delay.stop()

    def do_read(self) -> float:
        """Return the angle."""
        return float(self._delay.read(0)) * self.speed * _DEGREES / NS_PER_S - float(self.offset)

    def do_status(self) -> Status:
        """Return the worst status of delay and speed."""
        parts = (self.attached_device(word) for word in self.attached)
        return worst(*(one.status(0) for one in parts if isinstance(one, Readable)))

    @property
    def _delay(self) -> Any:
        found = self.attached_device("phase_ns_dev")
        if not isinstance(found, Moveable):
            raise DeviceError(f"{self.name} has no delay to set; name it as `phase_ns_dev`")
        return found

    def _ns(self, degrees: float) -> float:
        if not self.speed:
            raise DeviceError(f"{self.name}: there is no phase while the speed is 0")
        return float((degrees + self.offset) * NS_PER_S / (self.speed * _DEGREES))
