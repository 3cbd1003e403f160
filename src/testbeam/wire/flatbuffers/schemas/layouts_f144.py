"""Where do time, value and name stand in an f144 scalar as ess-streaming-data-types builds it?

There are two layouts per number type, depending on the length of the name. A message that has the very structure bytes of one
needs no other check but its name's; any other message is read by the table-driven reader, which has the last word.
"""

from collections.abc import Callable
from struct import Struct, unpack_from
from typing import Any, NamedTuple

from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.schemas.schema_f144 import F144, SCALAR_CODES, SCALAR_TYPES

TIMESTAMP_AT = 24
STRUCTURE = slice(32, 56)  # union type, offsets of value and name, vtable of the value: tells the layouts apart
SHORTEST = 72  # bytes of a message with an empty name; no layout unpacks more


class ScalarLayout(NamedTuple):
    """The places in one layout; `unpack` gives head, timestamp, rest of the structure, value, length of the name."""

    unpack: Callable[[bytes], tuple[Any, ...]]
    head: bytes
    rest: bytes
    make: Callable[[Any], Any]  # the scalar type of numpy
    name_at: int  # first character
    value_at: int
    kind: int


def places(message: bytes) -> tuple[int, int]:
    """Return where the value and the length of the name stand in a message that `build` made."""
    name_offset, timestamp_offset, _, value_offset = unpack_from("<4H", message, 12)
    assert message[:4] == b"\x14\0\0\0" and 20 + timestamp_offset == TIMESTAMP_AT, "the builder's f144 has changed"  # noqa: PT018
    name_at = 20 + name_offset + unpack_from("<I", message, 20 + name_offset)[0]
    table = 20 + value_offset + unpack_from("<I", message, 20 + value_offset)[0]
    vtable = table - unpack_from("<i", message, table)[0]
    return table + unpack_from("<H", message, vtable + 4)[0], name_at


def _scalar_layout(kind: int, name: str) -> tuple[bytes, ScalarLayout]:
    message = build(F144, (name, 1, (kind, (1,))))
    value_at, name_at = places(message)
    dtype = SCALAR_TYPES[kind - 1]
    rest = max(0, (value_at & ~3) - STRUCTURE.stop) if dtype.itemsize < 8 else 0
    gap = value_at - STRUCTURE.stop - rest
    after = name_at - value_at - dtype.itemsize
    layout = ScalarLayout(
        unpack=Struct(f"<24sq24x{rest}s{gap}x{SCALAR_CODES[kind - 1]}{after}xI").unpack_from,
        head=message[:TIMESTAMP_AT],
        rest=message[STRUCTURE.stop : STRUCTURE.stop + rest],
        make=dtype.type,
        name_at=name_at + 4,
        value_at=value_at,
        kind=kind,
    )
    return message[STRUCTURE], layout


SCALAR_LAYOUTS = dict(_scalar_layout(1 + i, name) for i in range(len(SCALAR_CODES)) for name in ("", "four"))
