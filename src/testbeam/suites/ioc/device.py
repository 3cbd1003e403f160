"""The device of the suite: a power supply that also answers with checksums and arrays."""

from testbeam.simulators.devices import command
from testbeam.simulators.devices.power_supply import PowerSupply
from testbeam.wire.streamdevice.checksums import find


class SuiteDevice(PowerSupply):
    """The power supply, with what the suite asks of a device besides."""

    noise = 0.0

    @command(r"sum (.*)([0-9A-F]{4})")
    def answer_sum(self, text: str, given: str) -> str:
        """Answer with the same text and its own checksum; a wrong one of the request is told."""
        checksum = find("crc16")
        assert checksum is not None
        if f"{checksum.of(f'sum {text}'.encode()):04X}" != given:
            return "ERR"
        return f"sum {text}{checksum.of(f'sum {text}'.encode()):04X}"

    @command(r"array\?")
    def answer_array(self) -> str:
        """Answer with three numbers."""
        return "1.5,2.5,3.5"
