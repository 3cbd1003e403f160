"""Devices with nothing behind them: motors that take their time, values set by hand."""

from collections.abc import Mapping
from typing import Any, ClassVar

from testbeam.errors import LimitError
from testbeam.services.control.devices.base import Readable
from testbeam.services.control.devices.moveable import LimitedMoveable, Moveable
from testbeam.services.control.devices.params import Param, none_or, number, sequence, table
from testbeam.services.control.devices.status import State, Status


class VirtualMotor(LimitedMoveable):
    """A motor that moves at `speed` in the units of its value; speed 0 is at once."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "speed": Param(description="speed", type=number, default=0.0, settable=True, unit="main/s"),
        "curvalue": Param(description="where it is", type=number, default=0.0, settable=True, internal=True),
        "curstatus": Param(description="its status", default=(State.OK, "idle"), settable=True, internal=True),
        "jitter": Param(description="noise of the value", type=number, default=0.0, settable=True),
        "ramp": Param(description="change a minute, for temperatures", type=none_or(number), default=None, settable=True, unit="main/min"),
    }
    field_names: ClassVar[tuple[str, ...]] = ("nicos.devices.generic.virtual.VirtualMotor", "nicos.devices.abstract.Motor")

    def init(self) -> None:
        """Stand where it stood last."""
        super().init()
        self._from = self._to = float(self.curvalue)
        self._since_s = self._until_s = 0.0

    def do_read(self) -> float:
        """Return the place of now."""
        now_s = self.host.now_s()
        if now_s >= self._until_s:
            return self._to
        return self._from + (self._to - self._from) * (now_s - self._since_s) / (self._until_s - self._since_s)

    def do_start(self, target: Any) -> None:
        """Begin to move."""
        here, now_s = self.do_read(), self.host.now_s()
        self._from, self._to, self._since_s = here, float(target), now_s
        self._until_s = now_s + self._seconds(here, float(target))
        self.keep("curvalue", float(target))

    def do_stop(self) -> None:
        """Stand still."""
        here = self.do_read()
        self._from = self._to = here
        self._until_s = 0.0
        self.keep("curvalue", here)

    def do_status(self) -> Status:
        """Return BUSY while it moves."""
        if self.host.now_s() < self._until_s:
            return State.BUSY, f"moving to {self.format(self._to)}"
        if self.started_s and self.target is not None and not self.is_at(self.target, self._to):
            return State.NOTREACHED, "it was stopped on its way"
        return State.OK, "idle"

    def set_position(self, value: float) -> None:
        """Call the place of now by another number."""
        self.do_stop()
        self._from = self._to = float(value)
        self.started_s = 0.0
        self.keep("curvalue", float(value))

    def time_for(self, target: Any) -> float:
        """Return distance over speed."""
        return self._seconds(float(self.simulated_value()), float(target))

    def simulated_default(self) -> float:
        """Return where it stood last."""
        return float(self.curvalue)

    def _seconds(self, here: float, target: float) -> float:
        per_s = self.speed or (self.ramp or 0.0) / 60
        return abs(target - here) / per_s if per_s else 0.0


class VirtualTemperature(VirtualMotor):
    """A temperature controller."""

    field_names: ClassVar[tuple[str, ...]] = ("nicos.devices.generic.virtual.VirtualTemperature",)


class ManualMove(LimitedMoveable):
    """A number that somebody sets by hand."""

    parameters: ClassVar[Mapping[str, Param]] = {"default": Param(description="value at first", default=0.0)}
    field_names: ClassVar[tuple[str, ...]] = ("nicos.devices.generic.manual.ManualMove",)

    def do_read(self) -> Any:
        """Return what was set last."""
        return self.default if self.target is None else self.target

    def do_start(self, target: Any) -> None:
        """Do nothing: the target is the value."""

    def simulated_default(self) -> Any:
        """Return the value."""
        return self.do_read()


class ManualSwitch(Moveable):
    """One of some states, set by hand."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "states": Param(description="what it may be", type=sequence, mandatory=True),
        "fmtstr": Param(description="how the value is shown", type=str, default="%s", settable=True),
        "unit": Param(description="unit of the value", type=str, default=""),
    }
    field_names: ClassVar[tuple[str, ...]] = ("nicos.devices.generic.manual.ManualSwitch", "nicos.core.mixins.HasMapping")
    valuetype: type = str

    def fit(self, target: Any) -> Any:
        """Return the state."""
        if target not in self.states:
            raise LimitError(f"{self.name} can't go to {target!r}; it takes {', '.join(map(str, self.states))}")
        return target

    def do_read(self) -> Any:
        """Return what was set last, at first the first state."""
        return self.states[0] if self.target is None else self.target

    def do_start(self, target: Any) -> None:
        """Do nothing: the target is the value."""

    def simulated_default(self) -> Any:
        """Return the value."""
        return self.do_read()


class Switcher(Moveable):
    """Named places of another device."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "mapping": Param(description="name → place of the moved device", type=table, mandatory=True),
        "precision": Param(description="how near is at a place", type=none_or(number), default=0.0, settable=True),
        "fallback": Param(description="what it is called elsewhere", default=None),
        "blockingmove": Param(description="whether a start waits", type=bool, default=True, settable=True),
        "fmtstr": Param(description="how the value is shown", type=str, default="%s", settable=True),
    }
    attached: ClassVar[Mapping[str, bool]] = {"moveable": False}
    moved_word = "moveable"
    field_names: ClassVar[tuple[str, ...]] = ("nicos.devices.generic.switcher.Switcher", "nicos.core.mixins.HasMapping")
    valuetype: type = str

    def fit(self, target: Any) -> Any:
        """Return the name, held also against the limits of the moved device."""
        if target not in self.mapping:
            raise LimitError(f"{self.name} can't go to {target!r}; it takes {', '.join(map(str, self.mapping))}")
        self._moved.check(self.mapping[target])
        return target

    def do_start(self, target: Any) -> None:
        """Move the device behind it."""
        self._moved.start(self.mapping[target])

    def do_stop(self) -> None:
        """Stop the device behind it."""
        self._moved.stop()

    def do_read(self) -> Any:
        """Return the name of the place of now."""
        place = self._moved.read(0)
        for name, value in self.mapping.items():
            if value == place or (
                isinstance(place, int | float) and isinstance(value, int | float) and abs(value - place) <= self.precision
            ):
                return name
        return self.fallback or "unknown"

    def do_status(self) -> Status:
        """Return the status of the device behind it."""
        return self._moved.status(0)

    @property
    def _moved(self) -> Moveable:
        moved = self.attached_device(self.moved_word)
        if not isinstance(moved, Moveable):
            raise LimitError(f"{self.name} has no device to move; name it as `{self.moved_word}`")
        return moved


class MappedController(Switcher):
    """Named places of a device that it controls; within its precision it is at one."""

    parameters: ClassVar[Mapping[str, Param]] = {"fallback": Param(description="what it is called elsewhere", default="In Between")}
    attached: ClassVar[Mapping[str, bool]] = {"controlled_device": False}
    moved_word = "controlled_device"
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.mapped_controller.MappedController",)

    def do_read(self) -> Any:
        """Return the name of the place of now."""
        self._values["precision"] = max(self.precision or 0.0, getattr(self._moved, "precision", None) or 0.0)
        return super().do_read()


class ReadonlyParamDevice(Readable):
    """A parameter of another device, as a device."""

    parameters: ClassVar[Mapping[str, Param]] = {"parameter": Param(description="name of the parameter", type=str, mandatory=True)}
    attached: ClassVar[Mapping[str, bool]] = {"device": False}
    field_names: ClassVar[tuple[str, ...]] = ("nicos.devices.generic.paramdev.ReadonlyParamDevice",)

    def do_read(self) -> Any:
        """Return the parameter."""
        return getattr(self.attached_device("device"), self.parameter)


class ParamDevice(ReadonlyParamDevice, Moveable):
    """A parameter of another device, as a device that sets it."""

    field_names: ClassVar[tuple[str, ...]] = ("nicos.devices.generic.paramdev.ParamDevice",)

    def do_start(self, target: Any) -> None:
        """Set the parameter."""
        setattr(self.attached_device("device"), self.parameter, target)


class VirtualSlit(Moveable):
    """Blades that move together: [centre, centre, width, height] or four edges, whatever its motors are."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "opmode": Param(description="what the four numbers mean", type=str, default="4blades", settable=True),
        "fmtstr": Param(description="how the value is shown", type=str, default="%s"),
    }
    attached: ClassVar[Mapping[str, bool]] = {"left": False, "right": False, "bottom": False, "top": False}
    field_names: ClassVar[tuple[str, ...]] = ("nicos.devices.generic.slit.Slit",)

    def fit(self, target: Any) -> list[float]:
        """Return four numbers, each within its blade's limits."""
        try:
            edges = [float(one) for one in target]
        except (TypeError, ValueError):
            edges = []
        blades = self._blades
        if len(edges) != len(blades):
            raise LimitError(f"{self.name} takes {len(blades)} numbers, {target!r:.60} was given")
        for blade, edge in zip(blades, edges, strict=True):
            blade.check(edge)
        return edges

    def do_start(self, target: Any) -> None:
        """Move every blade."""
        for blade, edge in zip(self._blades, target, strict=True):
            blade.start(edge)

    def do_stop(self) -> None:
        """Stop every blade."""
        for blade in self._blades:
            blade.stop()

    def do_read(self) -> list[Any]:
        """Return the blades' places."""
        return [blade.read(0) for blade in self._blades]

    def do_status(self) -> Status:
        """Return BUSY while a blade moves."""
        statuses = [blade.status(0) for blade in self._blades]
        return max(statuses, key=lambda one: one[0], default=(State.OK, ""))

    @property
    def _blades(self) -> list[Moveable]:
        found = (self.attached_device(word) for word in ("left", "right", "bottom", "top"))
        return [one for one in found if isinstance(one, Moveable)]
