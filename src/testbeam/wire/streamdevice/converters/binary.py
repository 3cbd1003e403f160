"""Numbers as strings of two characters, one a bit: %b with 0 and 1, %Bxy with two of one's own.

Source: docs/reference/contracts/ioc.md, "Formats".
"""

from dataclasses import dataclass

from testbeam.wire.streamdevice.converters.numbers import signed
from testbeam.wire.streamdevice.formats import Converter, Spec, Type, UnitReader, Value, register

_SPACE = b" \t\n\v\f\r"


@dataclass(frozen=True, slots=True)
class Bits:
    """A bit string, the highest bit first, or the lowest with the flag #."""

    spec: Spec
    zero: int
    one: int
    type: Type = Type.UNSIGNED

    def write(self, value: Value) -> bytes:
        """Return the significant bits, or as many as the precision says, filled to the width."""
        number = int(value) % (1 << 64)
        count = self.spec.precision if self.spec.precision is not None else max(number.bit_length(), 1)
        bits = bytes(self.one if number >> index & 1 else self.zero for index in range(count))
        fill = bytes([self.zero]) if self.spec.zero else b" "
        if self.spec.alternate:
            return bits.ljust(self.spec.width, fill) if self.spec.left else self._little(bits)
        bits = bits[::-1]
        return bits.ljust(self.spec.width) if self.spec.left else bits.rjust(self.spec.width, fill)

    def _little(self, bits: bytes) -> bytes:
        return bits.rjust(self.spec.width)

    def scan(self, data: bytes, at: int) -> tuple[Value, int] | None:
        """Return the number of the bits at this place, behind white space."""
        begin = at
        if self.zero not in _SPACE and self.one not in _SPACE:
            while begin < len(data) and data[begin] in _SPACE:
                begin += 1
        end, limit = begin, begin + self.spec.width if self.spec.width else len(data)
        while end < min(limit, len(data)) and data[end] in (self.zero, self.one):
            end += 1
        if end == begin:
            return None
        bits = data[begin:end][::-1] if self.spec.alternate else data[begin:end]
        number = 0
        for bit in bits:
            number = number << 1 | (bit == self.one)
        return signed(number), end - at


def _own(spec: Spec, units: UnitReader) -> Converter:
    return Bits(spec, units.byte(), units.byte())


register("b", lambda spec, _: Bits(spec, ord("0"), ord("1")))
register("B", _own)
