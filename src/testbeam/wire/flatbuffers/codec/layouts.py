"""Layouts of tables: a vtable compiled once into one `struct` call per table."""

from collections.abc import Callable
from struct import Struct, unpack
from typing import Any, NamedTuple, TypeAlias

from testbeam.errors import WireError
from testbeam.wire.flatbuffers.codec.tables import Cell, Field, Scalar, Table, Union

Values: TypeAlias = tuple[Any, ...]

MAX_LAYOUTS = 256  # a real topic has one or two per schema; only hostile ones have more, and get compiled anew each time


class ObjectPlace(NamedTuple):
    """Where the offset of a string, vector or table stands."""

    place: int  # in table.fields
    column: int  # in the unpacked values
    offset: int  # in the table
    field: Field


class UnionPlace(NamedTuple):
    """Where the type and the offset of a union stand; a missing one has column None."""

    place: int  # in table.fields
    type_column: int | None
    column: int | None
    offset: int
    field: Union


class Layout(NamedTuple):
    """A checked vtable, ready to unpack its tables."""

    unpack: Callable[[bytes, int], Values]
    phase: int | None  # position of the table modulo 8 that aligns its 8-byte fields
    defaults: Values
    scalars: tuple[tuple[int, int], ...]  # (place in table.fields, column of the unpacked)
    objects: tuple[ObjectPlace, ...]
    unions: tuple[UnionPlace, ...]


_Placed: TypeAlias = tuple[int, Cell]  # offset in the table, what stands there


def layout_of(table: Table, vtable: bytes, schema: str) -> Layout:
    """Return the layout for the bytes of a vtable, cut to `table.vtable_size`.

    Raises:
        WireError: a field lies outside the table, unaligned or over another one.
    """
    layout: Layout | None = table.layouts.get(vtable)
    if layout is None:
        layout = _compile(table, vtable, schema)
        if len(table.layouts) < MAX_LAYOUTS:
            table.layouts[vtable] = layout
    return layout


def _compile(table: Table, vtable: bytes, schema: str) -> Layout:
    table_size, *offsets = unpack(f"<2x{len(vtable) // 2 - 1}H", vtable)
    placed = sorted((offsets[cell.slot], cell) for cell in table.cells if cell.slot < len(offsets) and offsets[cell.slot])
    _check(table, placed, table_size, schema)
    return Layout(
        unpack=_unpacker(placed),
        phase=next((-offset % 8 for offset, cell in placed if cell.alignment == 8), None),
        defaults=tuple(field.default for field in table.fields),
        scalars=tuple((cell.place, column) for column, (_, cell) in enumerate(placed) if isinstance(table.fields[cell.place], Scalar)),
        objects=_object_places(table, placed),
        unions=_union_places(table, placed),
    )


def _check(table: Table, placed: list[_Placed], table_size: int, schema: str) -> None:
    end, phases = 4, set()
    for offset, cell in placed:
        if offset < end or offset + cell.width > table_size:
            raise WireError(schema, f"{cell.name} at offset {offset} is outside its table {table.name}, or over another field")
        if offset % min(cell.width, 4):
            raise WireError(schema, f"{cell.name} at offset {offset} of table {table.name} is unaligned")
        if cell.alignment == 8:
            phases.add(offset % 8)
        end = offset + cell.width
    if len(phases) > 1:
        raise WireError(schema, f"the 8-byte fields of table {table.name} can't all be aligned")


def _unpacker(placed: list[_Placed]) -> Callable[[bytes, int], Values]:
    codes, end = "<", 0
    for offset, cell in placed:
        codes += f"{offset - end}x{cell.code}"
        end = offset + cell.width
    return Struct(codes).unpack_from


def _object_places(table: Table, placed: list[_Placed]) -> tuple[ObjectPlace, ...]:
    fields = ((column, offset, cell.place, table.fields[cell.place]) for column, (offset, cell) in enumerate(placed))
    return tuple(ObjectPlace(i, column, offset, field) for column, offset, i, field in fields if not isinstance(field, Scalar | Union))


def _union_places(table: Table, placed: list[_Placed]) -> tuple[UnionPlace, ...]:
    columns = {cell.name: (column, offset) for column, (offset, cell) in enumerate(placed)}
    places = []
    for index, field in enumerate(table.fields):
        if isinstance(field, Union):
            type_column, _ = columns.get(field.type_name, (None, 0))
            column, offset = columns.get(field.name, (None, 0))
            places.append(UnionPlace(index, type_column, column, offset, field))
    return tuple(places)
