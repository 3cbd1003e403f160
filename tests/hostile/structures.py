"""Lies that a message can tell about its own structure, whatever its schema. Given a valid one, all of these are invalid."""

from collections.abc import Iterator

from tests.hostile.anatomy import Anatomy

Case = tuple[str, bytes]


def broken_structures(schema: str, message: bytes) -> Iterator[Case]:
    """Yield named broken versions of a valid message."""
    for name, payload in (*_truncated(message), *_roots(message), *_vtables(message)):
        yield f"{schema}: {name}", payload


def broken_string(schema: str, message: bytes, slot: int) -> Iterator[Case]:
    """Yield broken versions of a valid message with a non-empty string in this slot of its root table."""
    anatomy = Anatomy(message)
    at = anatomy.target(slot)
    length = anatomy.u32(at)
    yield f"{schema}: string of 4 GiB", anatomy.with_u32(at, 0xFFFF_FFFF)
    yield f"{schema}: string of 2 GiB", anatomy.with_u32(at, 0x8000_0000)
    yield f"{schema}: string up to the last byte, no terminator", anatomy.with_u32(at, len(message) - at - 4)
    yield f"{schema}: string without terminator", anatomy.with_u8(at + 4 + length, 0x41)
    yield f"{schema}: string one too short", anatomy.with_u32(at, length - 1)
    yield f"{schema}: string that is not UTF-8", anatomy.with_u8(at + 4, 0xFF)
    yield f"{schema}: string that begins within a character", anatomy.with_u8(at + 4, 0x80)
    yield from _broken_offset(schema, "string", anatomy, slot)


def broken_vector(schema: str, message: bytes, slot: int) -> Iterator[Case]:
    """Yield broken versions of a valid message with a vector in this slot of its root table."""
    anatomy = Anatomy(message)
    at = anatomy.target(slot)
    yield f"{schema}: vector {slot} of 2³²-1 elements", anatomy.with_u32(at, 0xFFFF_FFFF)
    yield f"{schema}: vector {slot} whose bytes are a multiple of 4 GiB", anatomy.with_u32(at, 0x4000_0000)
    yield f"{schema}: vector {slot} whose bytes are a multiple of 4 GiB for 8-byte elements", anatomy.with_u32(at, 0x2000_0000)
    yield f"{schema}: vector {slot} longer than the buffer", anatomy.with_u32(at, (len(message) - at) // 4)
    yield from _broken_offset(schema, f"vector {slot}", anatomy, slot)


def _broken_offset(schema: str, what: str, anatomy: Anatomy, slot: int) -> Iterator[Case]:
    cell = anatomy.cell(slot)
    end = len(anatomy.message)
    yield f"{schema}: {what} at its own offset", anatomy.with_u32(cell, 0)
    yield f"{schema}: {what} far outside", anatomy.with_u32(cell, 0x7FFF_FFFC)
    yield f"{schema}: {what} before its offset, by wrapping round", anatomy.with_u32(cell, -cell)
    yield f"{schema}: {what} just behind the end", anatomy.with_u32(cell, end - cell)
    yield f"{schema}: {what} in the last three bytes", anatomy.with_u32(cell, end - cell - 3)
    yield f"{schema}: {what} unaligned", anatomy.with_u32(cell, anatomy.u32(cell) + 1)
    yield f"{schema}: {what} outside its table", anatomy.with_u16(anatomy.entry(slot), anatomy.table_size)
    yield f"{schema}: {what} over the offset to the vtable", anatomy.with_u16(anatomy.entry(slot), 2)


def _truncated(message: bytes) -> Iterator[Case]:
    for size in sorted({*range(8, 40, 4), len(message) // 4, len(message) // 2, 3 * len(message) // 4}):
        yield f"cut to {size} bytes", message[:size]


def _roots(message: bytes) -> Iterator[Case]:
    anatomy = Anatomy(message)
    places = {"at itself": 0, "at the schema id": 4, "at 7": 7, "unaligned": anatomy.table + 1, "at the end": len(message)}
    places |= {
        "in the last bytes": len(message) - 2,
        "at 2 GiB": 0x8000_0000,
        "at 4 GiB": 0xFFFF_FFFF,
        "at the vtable": anatomy.vtable & ~3,
    }
    for name, place in places.items():
        yield f"root {name}", anatomy.with_u32(0, place)


def _vtables(message: bytes) -> Iterator[Case]:
    anatomy = Anatomy(message)
    table = anatomy.table
    offsets = {"zero": 0, "the smallest": -(2**31), "the largest": 2**31 - 1, "odd": table - anatomy.vtable + 1, "minus 4": -4}
    offsets |= {"to the start of the buffer": table, "behind the buffer": table - len(message), "before the buffer": table + 4}
    for name, offset in offsets.items():
        yield f"offset to the vtable {name}", anatomy.with_u32(table, offset)
    for size in (0, 2, 5, 0xFFFE, 0xFFFF):
        yield f"vtable of {size} bytes", anatomy.with_u16(anatomy.vtable, size)
    for size in (0, 3, 0xFFFF):
        yield f"table of {size} bytes", anatomy.with_u16(anatomy.vtable + 2, size)
    yield "fields far outside the table", _with_entries(anatomy, 0xFFFC)
    yield "fields all in one place", _with_entries(anatomy, 4)
    yield "fields over the offset to the vtable", _with_entries(anatomy, 1)


def _with_entries(anatomy: Anatomy, value: int) -> bytes:
    message = anatomy.message
    for entry in anatomy.entries():
        message = Anatomy(message, anatomy.table).with_u16(entry, value)
    return message
