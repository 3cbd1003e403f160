"""FlatBuffers encoder.

A message is built from its end to its beginning, as offsets may only point forward. Given the order of objects and cells
of ess-streaming-data-types (see `Table.created` and `Table.added`) the bytes are that library's own.
"""

from collections.abc import Callable
from functools import lru_cache
from struct import Struct, pack
from struct import error as StructError  # noqa: N812 - a class, which struct spells in lower case
from typing import Any, NamedTuple

from testbeam.errors import WireError
from testbeam.wire.flatbuffers.codec.tables import Cell, CellRole, Nested, NestedVector, String, StringVector, Table, Union, Vector


def build(table: Table, values: tuple[Any, ...]) -> bytes:
    """Return the message with this root table; `values` are in the order of `table.fields`, None leaves a field out.

    Raises:
        WireError: a value does not fit its field.
    """
    building = _Building()
    try:
        root = building.table(table, values)
    except (StructError, UnicodeEncodeError, ArithmeticError, AttributeError, TypeError, ValueError) as error:
        raise WireError(table.name, f"can't be encoded: {error}") from error
    return building.finish(table.identifier, root)


class _Shape(NamedTuple):
    """How a table with certain fields is packed: depends on nothing but those and the place modulo 8."""

    pack: Callable[..., bytes]
    size: int
    alignment: int
    vtable: bytes
    places: tuple[int, ...]  # how far each cell's beginning is from the table's end


@lru_cache(maxsize=1024)
def _shape(cells: tuple[Cell, ...], phase: int) -> _Shape:
    codes, places, size = [], [], phase
    for cell in cells:
        padding = -size % cell.alignment
        size += padding + cell.width
        codes += [f"{padding}x", cell.code]
        places.append(size - phase)
    codes += [f"{-size % 4}x", "i"]
    length = size + -size % 4 + 4 - phase
    return _Shape(
        pack=Struct("<" + "".join(reversed(codes))).pack,
        size=length,
        alignment=max((cell.alignment for cell in cells), default=4),
        vtable=_vtable({cell.slot: length - place for cell, place in zip(cells, places, strict=True)}, length),
        places=tuple(places),
    )


def _vtable(offsets: dict[int, int], table_size: int) -> bytes:
    slots = max(offsets, default=-1) + 1
    return pack(f"<{2 + slots}H", 4 + 2 * slots, table_size, *(offsets.get(slot, 0) for slot in range(slots)))


class _Building:
    """The parts of one message so far, last part first; places are counted in bytes from the end."""

    __slots__ = ("alignment", "parts", "size", "vtables")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0
        self.alignment = 4
        self.vtables: dict[bytes, int] = {}

    def put(self, part: bytes) -> int:
        """Put a part before all others and return its place."""
        self.parts.append(part)
        self.size += len(part)
        return self.size

    def align(self, alignment: int, upcoming: int) -> None:
        """Pad so that the place is aligned once `upcoming` more bytes have been put."""
        self.alignment = max(self.alignment, alignment)
        padding = -(self.size + upcoming) % alignment
        if padding:
            self.put(bytes(padding))

    def finish(self, identifier: bytes, root: int) -> bytes:
        self.align(self.alignment, 8)
        self.put(pack("<I4s", self.size + 8 - root, identifier))
        return b"".join(reversed(self.parts))

    def table(self, table: Table, values: tuple[Any, ...]) -> int:
        """Put the objects a table refers to, then the table, then its vtable unless an equal one is there already."""
        objects = {i: _CREATE[type(field)](self, field, values[i]) for i, field in table.fields_created if values[i] is not None}
        cells = tuple(cell for cell in table.cells_added if _is_present(table, cell, values))
        shape = _shape(cells, self.size % 8)
        numbers = [_number(cell, values, objects, self.size + place) for cell, place in zip(cells, shape.places, strict=True)]
        start = self.size + shape.size
        known = self.vtables.get(shape.vtable)
        self.alignment = max(self.alignment, shape.alignment)
        self.put(shape.pack(known - start if known else len(shape.vtable), *reversed(numbers)))
        if not known:
            self.vtables[shape.vtable] = self.put(shape.vtable)
        return start

    def string(self, _: String | StringVector, text: str) -> int:
        raw = text.encode()
        self.align(4, len(raw) + 1)
        return self.put(pack(f"<I{len(raw)}sx", len(raw), raw))

    def vector(self, field: Vector, values: Any) -> int:
        from testbeam.wire.flatbuffers.codec.vectors import exact

        array = exact(field.name, field.dtype, values)
        self.align(4, array.nbytes)
        self.align(field.itemsize, array.nbytes)
        self.put(array.tobytes())
        return self.put(pack("<I", array.size))

    def nested(self, field: Nested, values: tuple[Any, ...]) -> int:
        return self.table(field.table, values)

    def nested_vector(self, field: NestedVector, rows: tuple[tuple[Any, ...], ...]) -> int:
        if field.last_first:
            return self.offsets([self.table(field.table, row) for row in reversed(rows)])
        return self.offsets([self.table(field.table, row) for row in rows][::-1])

    def string_vector(self, field: StringVector, texts: tuple[str, ...]) -> int:
        if field.last_first:
            return self.offsets([self.string(field, text) for text in reversed(texts)])
        return self.offsets([self.string(field, text) for text in texts][::-1])

    def offsets(self, places: list[int]) -> int:
        """Put a vector of offsets to what is at these places, the last one first."""
        self.align(4, 4 * len(places))
        for place in places:
            self.put(pack("<I", self.size + 4 - place))
        return self.put(pack("<I", len(places)))

    def union(self, field: Union, typed: tuple[int, tuple[Any, ...]]) -> int:
        kind, values = typed
        return self.table(field.members[kind], values)


def _is_present(table: Table, cell: Cell, values: tuple[Any, ...]) -> bool:
    value = values[cell.place]
    if value is None:
        return False
    return not (table.omits_defaults and cell.role is CellRole.NUMBER and value == table.fields[cell.place].default)


def _number(cell: Cell, values: tuple[Any, ...], objects: dict[int, int], place: int) -> Any:
    if cell.role is CellRole.OFFSET:
        return place - objects[cell.place]
    return values[cell.place][0] if cell.role is CellRole.TYPE else values[cell.place]


_CREATE: dict[type, Callable[[_Building, Any, Any], int]] = {
    String: _Building.string,
    StringVector: _Building.string_vector,
    Vector: _Building.vector,
    Nested: _Building.nested,
    NestedVector: _Building.nested_vector,
    Union: _Building.union,
}
