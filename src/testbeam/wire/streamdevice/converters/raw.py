"""Numbers as bytes: %r for two's complement, %R for IEEE floating point, %D for packed binary-coded decimal.

Source: docs/reference/contracts/ioc.md, "Formats".
"""

import struct
from dataclasses import dataclass

from testbeam.errors import ConversionError
from testbeam.wire.streamdevice.converters.numbers import signed
from testbeam.wire.streamdevice.formats import Converter, Spec, Type, UnitReader, Value, register


@dataclass(frozen=True, slots=True)
class RawInteger:
    """A whole number, the highest byte first, or the lowest with the flag #; unsigned with the flag 0."""

    spec: Spec
    type: Type

    def write(self, value: Value) -> bytes:
        """Return the lowest bytes, as many as the precision says (1), extended to the width."""
        wanted = 1 if self.spec.precision is None else self.spec.precision
        count = min(wanted, 8)
        low = (int(value) & ((1 << 8 * count) - 1)).to_bytes(count, "little")
        negative = bool(low) and low[-1] & 0x80 and not self.spec.zero
        whole = low.ljust(max(wanted, self.spec.width), b"\xff" if negative else b"\0")
        return whole if self.spec.alternate else whole[::-1]

    def scan(self, data: bytes, at: int) -> tuple[Value, int] | None:
        """Return the number made of as many bytes as the width says (1)."""
        width = self.spec.width or 1
        raw = data[at : at + width]
        if len(raw) < width:
            return None
        number = int.from_bytes(raw, "little" if self.spec.alternate else "big", signed=not self.spec.zero)
        return signed(number), width


@dataclass(frozen=True, slots=True)
class RawReal:
    """A floating-point number of 4 or 8 bytes, the highest first, or the lowest with the flag #."""

    spec: Spec
    layout: struct.Struct
    type: Type = Type.DOUBLE

    def write(self, value: Value) -> bytes:
        """Return the bytes of the number; what is too large for 4 bytes is infinite."""
        try:
            return self.layout.pack(float(value))
        except OverflowError:
            return self.layout.pack(float("inf") if float(value) > 0 else float("-inf"))

    def scan(self, data: bytes, at: int) -> tuple[Value, int] | None:
        """Return the number made of the bytes at this place."""
        if len(data) - at < self.layout.size:
            return None
        return self.layout.unpack_from(data, at)[0], self.layout.size


@dataclass(frozen=True, slots=True)
class PackedDecimal:
    """Two decimal digits a byte; signed with the flag +, the sign in the highest half byte."""

    spec: Spec
    type: Type

    def write(self, value: Value) -> bytes:
        """Return as many digits as the precision says, in at least as many bytes as the width says."""
        digits = 16 if self.spec.precision is None else self.spec.precision
        number = int(value)
        negative = self.spec.sign and number < 0
        magnitude = abs(number) if self.spec.sign else number % (1 << 64)
        width = max(self.spec.width, (digits + (2 if self.spec.sign else 1)) // 2)
        text = str(magnitude % 10**digits if digits else 0).rjust(2 * width, "0")
        packed = bytearray(bytes.fromhex(text))
        if negative and packed:
            packed[0] |= 0xF0
        return bytes(packed)[::-1] if self.spec.alternate else bytes(packed)

    def scan(self, data: bytes, at: int) -> tuple[Value, int] | None:
        """Return the number made of bytes up to the width (1), or up to the first that is no pair of digits."""
        raw = data[at : at + (self.spec.width or 1)]
        return self._little(raw) if self.spec.alternate else self._big(raw)

    def _big(self, raw: bytes) -> tuple[Value, int] | None:
        number, sign, count = 0, 1, 0
        for index, byte in enumerate(raw):
            high, low = byte >> 4, byte & 0x0F
            if index == 0 and self.spec.sign and high:
                sign, high = -1, 0
            if low > 9 or high > 9:
                break
            number, count = number * 100 + 10 * high + low, count + 1
        return (signed(number * sign), count) if count else None

    def _little(self, raw: bytes) -> tuple[Value, int] | None:
        number, sign, count = 0, 1, 0
        for index, byte in enumerate(raw):
            high, low = byte >> 4, byte & 0x0F
            if index == len(raw) - 1 and self.spec.sign and high:
                sign, high = -1, 0
            if low > 9 or high > 9:
                break
            number, count = number + (10 * high + low) * 100**index, count + 1
        return (signed(number * sign), count) if count else None


def _real(spec: Spec, _: UnitReader) -> Converter:
    if spec.width not in (0, 4, 8):
        raise ConversionError(f"%R has a width of 4 or 8, not {spec.width}")
    return RawReal(spec, struct.Struct(("<" if spec.alternate else ">") + ("d" if spec.width == 8 else "f")))


register("r", lambda spec, _: RawInteger(spec, Type.UNSIGNED if spec.zero else Type.SIGNED))
register("R", _real)
register("D", lambda spec, _: PackedDecimal(spec, Type.SIGNED if spec.sign else Type.UNSIGNED))
