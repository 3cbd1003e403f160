"""Power supplies behind EPICS: a channel, which is on or off and has a voltage and a current, and a bank of channels."""

from collections.abc import Mapping
from typing import Any, ClassVar

from testbeam.services.control.devices.base import Readable
from testbeam.services.control.devices.epics import EpicsMappedReadable
from testbeam.services.control.devices.params import Param, none_or, table
from testbeam.services.control.devices.status import State, Status, worst

_SUFFIXES = {"readpv": "-Pw-RB", "powerpv": "-Pw", "onpv": "-Status-ON", "voltagepv": "-VMon", "currentpv": "-IMon"}


class PowerSupplyChannel(EpicsMappedReadable):
    """A channel: its value is whether it is on, by the names of `mapping`; `enable` and `disable` switch it."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "ps_pv": Param(description="what the names of its PVs begin with", type=str, mandatory=True),
        "board": Param(description="board that it is on"),
        "channel": Param(description="its number on the board"),
        "voltage_units": Param(description="unit of the voltage", type=str, default="V"),
        "current_units": Param(description="unit of the current", type=str, default="uA"),
        "fmtstr": Param(description="how the value is shown", type=str, default="%s"),
        **{word: Param(description=f"PV in place of {suffix}", type=str, default="", internal=True) for word, suffix in _SUFFIXES.items()},
    }
    pv_parameters: ClassVar[tuple[str, ...]] = ("readpv", "onpv", "voltagepv", "currentpv")
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.epics.power_supply_channel.PowerSupplyChannel",)

    def init(self) -> None:
        """Name the PVs and watch them."""
        for word, suffix in _SUFFIXES.items():
            self._values[word] = self._values[word] or f"{self.ps_pv}{suffix}"
        super().init()

    @property
    def is_on(self) -> bool:
        """Tell whether there is a voltage, as the supply says."""
        reading = self.get("onpv").reading
        return reading is not None and bool(reading.value)

    @property
    def voltage_monitor(self) -> Any:
        """Return the voltage, None where there is none."""
        return self._number("voltagepv")

    @property
    def current_monitor(self) -> Any:
        """Return the current, None where there is none."""
        return self._number("currentpv")

    def enable(self) -> None:
        """Switch it on."""
        self.put("powerpv", 1)

    def disable(self) -> None:
        """Switch it off."""
        self.put("powerpv", 0)

    def do_status(self) -> Status:
        """Return the alarms, else voltage and current."""
        state, text = self.alarm_status()
        if state != State.OK:
            return state, text
        voltage, current = self.voltage_monitor, self.current_monitor
        if voltage is None or current is None:
            return State.ERROR, "no voltage or no current is told"
        return state, f"{'on' if self.is_on else 'off'}, {voltage:.3f} {self.voltage_units}, {current:.3f} {self.current_units}"

    def _number(self, word: str) -> float | None:
        reading = self.get(word).reading
        return float(reading.value) if reading is not None and isinstance(reading.value, int | float) else None


class PowerSupplyBank(Readable):
    """Channels that are switched together; a bank is on where one of them is, and busy where not all are."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "mapping": Param(description="name → 1 for on, 0 for off", type=none_or(table), default=None),
        "fmtstr": Param(description="how the value is shown", type=str, default="%s"),
    }
    attached: ClassVar[Mapping[str, bool]] = {"ps_channels": True}
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.epics.power_supply_channel.PowerSupplyBank",)
    valuetype: type = str

    @property
    def channels(self) -> list[Any]:
        """Return its channels."""
        return list(self.attached_devices["ps_channels"])

    def enable(self) -> None:
        """Switch all channels on."""
        for channel in self.channels:
            channel.enable()

    def disable(self) -> None:
        """Switch all channels off."""
        for channel in self.channels:
            channel.disable()

    def do_read(self) -> str:
        """Return the name of on or off."""
        on = any(channel.is_on for channel in self.channels)
        names = {int(value): str(name) for name, value in (self.mapping or {}).items()}
        return names.get(int(on), "ON" if on else "OFF")

    def do_status(self) -> Status:
        """Return the worst of its channels as a warning, else how many are on."""
        state, text = worst(*(channel.status(0) for channel in self.channels))
        if state != State.OK:
            return State.WARN, text
        on, every = sum(channel.is_on for channel in self.channels), len(self.channels)
        return State.BUSY if 0 < on < every else State.OK, f"{on} of {every} channels are on"
