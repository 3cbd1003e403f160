"""A motor record's device: moves by VAL, is done by DMOV, stops by STOP, and tells what held it up.

The done flag of before a start must not be taken for that of after it, be it by an update that comes late, and a very short motion may
never show as one: a motion is over when the flag is up and the motor is at its target, and has failed when the flag stays up elsewhere
for `startdelay`.
Source: docs/reference/contracts/control.md, "Motor".
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from testbeam.errors import DeviceError
from testbeam.services.control.devices.epics import EpicsDevice
from testbeam.services.control.devices.moveable import LimitedMoveable
from testbeam.services.control.devices.params import Param, none_or, number
from testbeam.services.control.devices.status import State, Status
from testbeam.transport.pv_watch import PvSnapshot

_STANDS_S = 1.0  # how long one that has moved may stand before it has been stopped: backlash goes in two motions
_FIELDS = {
    "readpv": ".RBV",
    "writepv": ".VAL",
    "stoppv": ".STOP",
    "donepv": ".DMOV",
    "movingpv": ".MOVN",
    "misspv": ".MISS",
    "highlimitswitchpv": ".HLS",
    "lowlimitswitchpv": ".LLS",
    "highlimitpv": ".HLM",
    "lowlimitpv": ".LLM",
    "softlimitpv": ".LVIO",
    "speedpv": ".VELO",
    "enablepv": ".CNEN",
    "homeforwardpv": ".HOMF",
    "homereversepv": ".HOMR",
}
_WATCHED = ("readpv", "writepv", "donepv", "misspv", "highlimitswitchpv", "lowlimitswitchpv")
_LIMIT_FIELDS = ("highlimitpv", "lowlimitpv")
_OPTIONAL = ("misspv", "highlimitswitchpv", "lowlimitswitchpv")


class EpicsMotor(LimitedMoveable, EpicsDevice):
    """A motor record."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "motorpv": Param(description="name of the motor record", type=str, mandatory=True),
        "has_errorbit": Param(description="whether there are error PVs besides the record", type=bool, default=False),
        "has_powerauto": Param(description="whether the motor is powered by itself", type=bool, default=True),
        "startdelay": Param(description="how late the record may show that it moves", type=number, default=3.0, unit="s"),
        "speed": Param(description="speed", type=none_or(number), default=None, settable=True, unit="main/s"),
        "offset": Param(description="subtracted from the record's place", type=none_or(number), default=0.0, settable=True, unit="main"),
        **{
            word: Param(description=f"PV in place of the record's {field}", type=str, default="", internal=True)
            for word, field in _FIELDS.items()
        },
    }
    pv_parameters: ClassVar[tuple[str, ...]] = _WATCHED
    field_names: ClassVar[tuple[str, ...]] = (
        "nicos_ess.devices.epics.pva.motor.EpicsMotor",
        "nicos.core.device.Moveable",
        "nicos.devices.abstract.Motor",
    )

    def init(self) -> None:
        """Name the record's fields and watch them."""
        for word, field in _FIELDS.items():
            if not self._values[word]:
                self._values[word] = f"{self.motorpv}{field}"
        self._moved_s = 0.0  # when it was last seen to move
        super().init()

    def changed(self, snapshot: PvSnapshot) -> None:
        """Note that it moves."""
        if snapshot.name == self._values["donepv"] and snapshot.reading is not None and not snapshot.reading.value:
            self._moved_s = self.host.now_s()
        super().changed(snapshot)

    def do_read(self) -> float:
        """Ask the IOC."""
        reading = self.get("readpv").reading
        if reading is None or not isinstance(reading.value, int | float):
            raise DeviceError(f"{self.name}: {self._values['readpv']} has no number")
        if not self.unit and reading.units:
            self.keep("unit", reading.units)
        return float(reading.value) - (self.offset or 0.0)

    def needs_move(self, target: Any) -> bool:
        """Tell whether the place of now is another."""
        return not self.is_at(target, self.do_read()) or not self._flag("donepv", self.get("donepv"))

    def do_start(self, target: Any) -> None:
        """Write the place to go to."""
        self.put("writepv", float(target) + (self.offset or 0.0))

    def do_stop(self) -> None:
        """Stop by the record's own means."""
        self.put("stoppv", 1)

    def do_status(self) -> Status:
        """Return BUSY until the motion is over; errors of the record besides."""
        lost = [self._values[word] for word in ("readpv", "donepv") if self.known(word).reading and not self.known(word).connected]
        if lost:
            return State.ERROR, f"PV {lost[0]} is disconnected"
        done = self._flag("donepv", self.get("donepv"))
        if not done:
            self._moved_s = self.host.now_s()
            return State.BUSY, f"moving to {self.format(self.target)}"
        return self._stood() if self.started_s and self.target is not None else self._alarms()

    def _stood(self) -> Status:
        """Return the status of a motor that stands, after a start of ours."""
        value = self.do_read()
        if self.is_at(self.target, value):
            return self._alarms()
        has_begun = self._moved_s >= self.started_s
        patience_s = min(self.startdelay, _STANDS_S) if has_begun else self.startdelay
        if self.host.now_s() - max(self.started_s, self._moved_s) < patience_s:
            return State.BUSY, f"on its way to {self.format(self.target)}"
        for word, text in (("highlimitswitchpv", "at its upper limit switch"), ("lowlimitswitchpv", "at its lower limit switch")):
            if self._flag(word, self.known(word)):
                return State.NOTREACHED, text
        if self._flag("misspv", self.known("misspv")):
            return State.NOTREACHED, "following error: the record gave up"
        if not has_begun:
            return State.NOTREACHED, f"it has not begun to move within {self.startdelay:g} s; one that is slower needs a longer startdelay"
        return State.NOTREACHED, "it was stopped on its way"

    def _alarms(self) -> Status:
        state, text = State.OK, ""
        reading = self.known("readpv").reading
        if reading is not None and reading.severity:
            state, text = (State.WARN if reading.severity == 1 else State.ERROR), f"{self._values['readpv']}: {reading.status}"
        return state, text

    def hardware_limits(self) -> tuple[float, float] | None:
        """Return the record's soft limits of now; equal ones are none."""
        readings = [self.get(word).reading for word in ("lowlimitpv", "highlimitpv")]
        low, high = (float(one.value) if one is not None and isinstance(one.value, int | float) else 0.0 for one in readings)
        offset = self.offset or 0.0
        return None if low == high else (low - offset, high - offset)

    def parameter_changes(self, word: str, value: Any) -> Any:
        """Write the speed to the record."""
        if word == "speed" and value is not None:
            self.put("speedpv", float(value), wait=True)
        return super().parameter_changes(word, value)

    def reference(self) -> None:
        """Drive to the home switch."""
        self.started_s = 0.0
        self.put("homeforwardpv", 1)

    def enable(self) -> None:
        """Power the motor."""
        self.put("enablepv", 1)

    def disable(self) -> None:
        """Take the power off."""
        self.put("enablepv", 0)

    def time_for(self, target: Any) -> float:
        """Return distance over speed."""
        return abs(float(target) - float(self.simulated_value())) / self.speed if self.speed else 0.0

    @staticmethod
    def _flag(word: str, snapshot: PvSnapshot) -> bool:  # noqa: ARG004 — says which at the call
        return snapshot.reading is not None and bool(snapshot.reading.value)
