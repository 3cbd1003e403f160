"""Places of the parts of a valid FlatBuffers message, so that a test can break one of them."""

import struct
from collections.abc import Iterator


class Anatomy:
    """The places in a valid message; `table` is the root table unless another is given."""

    def __init__(self, message: bytes, table: int | None = None) -> None:
        self.message = message
        self.table = self.u32(0) if table is None else table
        self.vtable: int = self.table - struct.unpack_from("<i", message, self.table)[0]
        self.vtable_size, self.table_size = struct.unpack_from("<HH", message, self.vtable)

    def u32(self, at: int) -> int:
        """Return the number at a place."""
        return int(struct.unpack_from("<I", self.message, at)[0])

    def entry(self, slot: int) -> int:
        """Return where the vtable's entry for a slot stands."""
        return self.vtable + 4 + 2 * slot

    def entries(self) -> Iterator[int]:
        """Yield where each entry of the vtable stands."""
        yield from range(self.vtable + 4, self.vtable + self.vtable_size, 2)

    def cell(self, slot: int) -> int:
        """Return where a field stands in the table."""
        return self.table + int(struct.unpack_from("<H", self.message, self.entry(slot))[0])

    def target(self, slot: int) -> int:
        """Return where the string, vector or table of a field begins."""
        cell = self.cell(slot)
        return cell + self.u32(cell)

    def with_u8(self, at: int, value: int) -> bytes:
        """Return the message with one byte changed."""
        return self.message[:at] + bytes([value]) + self.message[at + 1 :]

    def with_u16(self, at: int, value: int) -> bytes:
        """Return the message with two bytes changed."""
        return self.message[:at] + struct.pack("<H", value) + self.message[at + 2 :]

    def with_u32(self, at: int, value: int) -> bytes:
        """Return the message with four bytes changed."""
        return self.message[:at] + struct.pack("<I", value & 0xFFFF_FFFF) + self.message[at + 4 :]
