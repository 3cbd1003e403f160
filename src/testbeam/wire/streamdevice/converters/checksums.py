"""%<name>: a checksum that is appended to output and must be met by input.

The width is the first byte that counts, the precision the number of bytes before the checksum that do not. Flags: 0 for hexadecimal
digits, - for the characters 0x30 … 0x3F, + for decimal digits, # for the lowest byte first.
Source: docs/reference/contracts/ioc.md, "Checksums".
"""

from dataclasses import dataclass

from testbeam.errors import ConversionError
from testbeam.wire.streamdevice.checksums import CHECKSUMS, Checksum, find
from testbeam.wire.streamdevice.formats import Pseudo, Spec, Type, UnitReader, register


@dataclass(frozen=True, slots=True)
class ChecksumFormat:
    """One checksum as a format."""

    spec: Spec
    checksum: Checksum
    type: Type

    def append(self, output: bytes) -> bytes:
        """Return the output with its checksum."""
        return output + self._written(self.checksum.of(self._counted(output, len(output))))

    def take(self, data: bytes, at: int) -> tuple[bytes, int] | None:
        """Return the input as it is, and the length of the checksum if it is at this place."""
        expected = self._written(self.checksum.of(self._counted(data, at)))
        found = data[at : at + len(expected)]
        same = found.upper() == expected if self.spec.zero else found == expected
        return (data, len(expected)) if same else None

    def _counted(self, data: bytes, end: int) -> bytes:
        left_out = self.spec.precision or 0
        return data[self.spec.width : max(end - left_out, self.spec.width, 0)] if end - left_out > self.spec.width else b""

    def _written(self, value: int) -> bytes:
        length = self.checksum.length
        if self.spec.sign:
            return b"%0*d" % ((length + 1) * 25 // 10 - 2, value)
        raw = value.to_bytes(length, "little" if self.spec.alternate else "big")
        if self.spec.zero:
            return raw.hex().upper().encode()
        if self.spec.left:
            return bytes(half | 0x30 for byte in raw for half in (byte >> 4, byte & 0x0F))
        return raw


def _checksum(spec: Spec, units: UnitReader) -> Pseudo:
    name = bytes(unit & 0xFF for unit in units.until(">")).decode("latin-1")
    found = find(name) if name else None
    if found is None:
        raise ConversionError(f"there is no checksum {name!r}; known are {', '.join(known.name for known in CHECKSUMS)}")
    return ChecksumFormat(spec, found, Type.CHECKSUM if spec.reading else Type.PSEUDO)


register("<", _checksum)
