"""Groups of alarms behind EPICS: PVs below one root whose alarms, or bits that are set, make a status; they have no other value."""

from collections.abc import Mapping
from typing import Any, ClassVar

from testbeam.services.control.devices.epics import EpicsDevice
from testbeam.services.control.devices.params import Param
from testbeam.services.control.devices.status import State, Status


class AlarmGroup(EpicsDevice):
    """Alarms of the PVs `pv_root` + each suffix."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "pv_root": Param(description="what the names of its PVs begin with", type=str, mandatory=True),
        "fmtstr": Param(description="how the value is shown", type=str, default="%s"),
    }
    suffixes: ClassVar[tuple[str, ...]] = ()
    valuetype: type = str

    def init(self) -> None:
        """Name the PVs and watch them."""
        for suffix in self.pv_suffixes():
            self._values[suffix] = f"{self.pv_root}{suffix}"
        self.pv_parameters = self.pv_suffixes()  # type: ignore[misc]  # a device's own, where its class has none
        super().init()

    def pv_suffixes(self) -> tuple[str, ...]:
        """Return the suffixes of its PVs."""
        return self.suffixes

    def do_read(self) -> str:
        """Return the text of the status."""
        return self.status(0)[1]


class BitAlarms(AlarmGroup):
    """Bits of an mbbiDirect record, each with a name of its own: those that are set warn."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "number_of_bits": Param(description="how many bits it has", type=int, mandatory=True),
        "bitname_prefix": Param(description="what stands before the number in the names' PVs", type=str, default="BitNam"),
    }
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.epics.mbbi_direct.MBBIDirectStatus",)

    def pv_suffixes(self) -> tuple[str, ...]:
        """Return those of the bits, then of their names."""
        numbers = range(self.number_of_bits)
        return (*(f".B{n:X}" for n in numbers), *(f"{self.bitname_prefix}{n}" for n in numbers))

    def do_status(self) -> Status:
        """Return the names of the bits that are set."""
        state, text = super().do_status()
        if state == State.ERROR:
            return state, text
        bits, names = self.pv_parameters[: self.number_of_bits], self.pv_parameters[self.number_of_bits :]
        found = [self._reading(name) for bit, name in zip(bits, names, strict=True) if self._reading(bit) not in (None, 0)]
        return (State.WARN, ", ".join(map(str, found))) if found else (state, text)

    def _reading(self, word: str) -> Any:
        reading = self.known(word).reading
        return reading.value if reading is not None else None
