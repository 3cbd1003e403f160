"""FlatBuffers verifier and decoder.

Every offset, length, alignment, terminator and vtable is checked before it is used, so that no byte string can make the
reader look outside the buffer, work or allocate more than the buffer's size justifies, or raise anything but WireError.

Beyond what the verifier of the FlatBuffers library asks, no two things may share bytes: fields, tables, vtables, vectors, strings.
Builders use a vtable or a string twice, on purpose, so these may be the very same. As all together can't exceed the buffer, work
and memory are bounded by it. Numeric vectors are read-only views into the buffer; nothing is copied but text.
"""

from collections.abc import Callable
from struct import Struct
from typing import Any, TypeAlias

from testbeam.errors import WireError
from testbeam.wire.flatbuffers.codec.layouts import Layout, UnionPlace, layout_of
from testbeam.wire.flatbuffers.codec.tables import Field, Nested, NestedVector, String, StringVector, Table, Vector

Values: TypeAlias = tuple[Any, ...]

MAX_TABLES = 100_000  # a table of nothing but defaults takes 8 bytes in the buffer and some 200 as a value

_U32 = Struct("<I").unpack_from
_I32 = Struct("<i").unpack_from
_2U16 = Struct("<HH").unpack_from


def read(buffer: bytes, table: Table) -> Values:
    """Return the verified values of a whole message, in the order of `table.fields`.

    Raises:
        WireError: the buffer is not a valid message with this root table.
    """
    if len(buffer) < 8:
        raise WireError(table.name, f"{len(buffer)} bytes are too short for a message, which has at least 8")
    if buffer[4:8] != table.identifier:
        raise WireError(table.name, f"the schema id of the buffer is {buffer[4:8]!r}")
    reading = _Reading(buffer, table.name)
    values = reading.table(table, _U32(buffer, 0)[0])
    reading.check_overlaps()
    return values


class _Reading:
    """One pass over one buffer: what lies where, and how many bytes may still be claimed."""

    __slots__ = ("buffer", "claimable", "ends", "schema", "size", "strings", "tables_left", "vtables")

    def __init__(self, buffer: bytes, schema: str) -> None:
        self.buffer = buffer
        self.schema = schema
        self.size = len(buffer)
        self.claimable = self.size
        self.tables_left = MAX_TABLES
        self.ends: dict[int, int] = {}  # of every table, vtable, vector and string, by its beginning
        self.strings: dict[int, str] = {}
        self.vtables: set[int] = set()

    def fail(self, problem: str) -> WireError:
        return WireError(self.schema, problem)

    def claim(self, position: int, size: int, what: str) -> None:
        """Take bytes for one thing: overlapping things run out of bytes before they run away with time or memory."""
        self.claimable -= size
        if self.claimable < 0:
            raise self.fail(f"{what} at {position} overlaps others: all together exceed the {self.size} bytes of the buffer")
        if position in self.ends:
            raise self.fail(f"{what} at {position} is used twice")
        self.ends[position] = position + size

    def check_overlaps(self) -> None:
        """Check that nothing that was read shares bytes with anything else."""
        end = 8  # of root offset and schema id
        for start in sorted(self.ends):
            if start < end:
                raise self.fail(f"what begins at {start} lies over what ends at {end}")
            end = self.ends[start]

    def table(self, table: Table, position: int) -> Values:
        layout = self.layout(table, position)
        raw = layout.unpack(self.buffer, position)
        values = list(layout.defaults)
        for place, column in layout.scalars:
            values[place] = raw[column]
        for place, column, offset, field in layout.objects:
            values[place] = _RESOLVE[type(field)](self, field, self.target(field, position + offset, raw[column]))
        for union in layout.unions:
            values[union.place] = self.union(union, position, raw)
        return tuple(values)

    def target(self, field: Field, at: int, distance: int) -> int:
        """Return where an offset points to: always forward, so that nothing can contain itself."""
        if distance < 4 or distance % 4 != -at % 4 or at + distance > self.size - 4:
            raise self.fail(f"the offset of {field.name} at {at} points {distance} bytes on: outside the buffer, or unaligned")
        return at + distance

    def layout(self, table: Table, position: int) -> Layout:
        """Return the checked layout of the table here, with its whole extent inside the buffer."""
        if position % 4 or not 8 <= position <= self.size - 4:
            raise self.fail(f"table {table.name} at {position} is outside the buffer of {self.size} bytes, or unaligned")
        vtable = position - _I32(self.buffer, position)[0]
        if vtable % 2 or not 8 <= vtable <= self.size - 4:
            raise self.fail(f"vtable of {table.name} at {vtable} is outside the buffer of {self.size} bytes, or unaligned")
        vtable_size, table_size = _2U16(self.buffer, vtable)
        self.check_extent(table, position, table_size, vtable, vtable_size)
        self.claim(position, table_size, table.name)
        if vtable not in self.vtables:
            self.vtables.add(vtable)
            self.claim(vtable, vtable_size, "vtable")
        known = min(vtable_size, table.vtable_size)
        layout = layout_of(table, self.buffer[vtable : vtable + known], self.schema)
        if layout.phase is not None and position % 8 != layout.phase:
            raise self.fail(f"8-byte fields of table {table.name} at {position} are unaligned")
        return layout

    def check_extent(self, table: Table, position: int, table_size: int, vtable: int, vtable_size: int) -> None:
        if vtable_size % 2 or vtable_size < 4 or vtable + vtable_size > self.size:
            raise self.fail(f"vtable of {table.name} at {vtable} has an impossible size of {vtable_size}")
        if table_size < 4 or position + table_size > self.size:
            raise self.fail(f"table {table.name} at {position} has an impossible size of {table_size}")
        self.tables_left -= 1
        if self.tables_left < 0:
            raise self.fail(f"more than {MAX_TABLES} tables")

    def string(self, field: String | StringVector, position: int) -> str:
        known = self.strings.get(position)
        if known is not None:
            return known
        length = _U32(self.buffer, position)[0]
        start, end = position + 4, position + 4 + length
        if end >= self.size or self.buffer[end]:
            raise self.fail(f"{field.name} at {position} has no terminating zero inside the buffer")
        self.claim(position, 5 + length, field.name)
        try:
            text = self.buffer[start:end].decode()
        except UnicodeDecodeError as error:
            raise self.fail(f"{field.name} is not UTF-8: {error.reason} at byte {error.start}") from None
        self.strings[position] = text
        return text

    def string_vector(self, field: StringVector, position: int) -> tuple[str, ...]:
        count = self.elements(field, position, 4)
        places = range(position + 4, position + 4 + 4 * count, 4)
        return tuple(self.string(field, self.target(field, at, _U32(self.buffer, at)[0])) for at in places)

    def elements(self, field: Field, position: int, itemsize: int) -> int:
        """Return the number of elements of a vector that lies wholly inside the buffer, aligned."""
        count: int = _U32(self.buffer, position)[0]
        if position + 4 + count * itemsize > self.size:
            raise self.fail(f"{field.name} at {position} has {count} elements, more than the {self.size} bytes of the buffer hold")
        if count and (position + 4) % itemsize:
            raise self.fail(f"{field.name} at {position} is unaligned for elements of {itemsize} bytes")
        self.claim(position, 4 + count * itemsize, field.name)
        return count

    def vector(self, field: Vector, position: int) -> Any:
        from testbeam.wire.flatbuffers.codec.vectors import view

        count = self.elements(field, position, field.itemsize)
        return view(field.dtype, self.buffer, count, position + 4) if count else field.default

    def nested(self, field: Nested, position: int) -> Values:
        return self.table(field.table, position)

    def nested_vector(self, field: NestedVector, position: int) -> tuple[Values, ...]:
        count = self.elements(field, position, 4)
        if count > self.tables_left:
            raise self.fail(f"{field.name} has {count} elements; with them there are more than {MAX_TABLES} tables")
        places = range(position + 4, position + 4 + 4 * count, 4)
        return tuple(self.table(field.table, self.target(field, at, _U32(self.buffer, at)[0])) for at in places)

    def union(self, union: UnionPlace, position: int, raw: Values) -> tuple[int, Values] | None:
        field = union.field
        kind = 0 if union.type_column is None else raw[union.type_column]
        if not kind and union.column is None:
            return None
        member = field.members.get(kind)
        if member is None or union.column is None:
            raise self.fail(f"{field.name} has type {kind} {'without a value' if member else 'which is unknown'}")
        return kind, self.table(member, self.target(field, position + union.offset, raw[union.column]))


_RESOLVE: dict[type, Callable[[_Reading, Any, int], Any]] = {
    String: _Reading.string,
    StringVector: _Reading.string_vector,
    Vector: _Reading.vector,
    Nested: _Reading.nested,
    NestedVector: _Reading.nested_vector,
}
