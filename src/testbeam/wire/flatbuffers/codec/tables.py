"""Descriptions of FlatBuffers tables: the kinds of field, and a schema as a table of them.

A schema is data: the reader and the builder are the only code that knows the encoding.
Source: FlatBuffers "Internals" (offsets, vtables, alignment).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias, TypeVar

SCALAR_WIDTH = {"8s": 8, "?": 1, "b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "f": 4, "q": 8, "Q": 8, "d": 8}


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """A number kept inside the table; `code` is its letter in `struct`. "8s": a struct of two 4-byte numbers, as bytes."""

    name: str
    slot: int
    code: str
    default: Any = 0


@dataclass(frozen=True, slots=True, eq=False)
class String:
    """UTF-8 text; a missing one reads as ""."""

    name: str
    slot: int
    default: Any = ""


@dataclass(frozen=True, slots=True, eq=False)
class StringVector:
    """A vector of UTF-8 texts, read as a tuple; a missing one reads as (). `last_first` is the order in which a builder makes them."""

    name: str
    slot: int
    default: Any = ()
    last_first: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """A 1-D array of numbers, read as a view; a missing one reads as an empty array. `dtype` is numpy's code, such as "<i4"."""

    name: str
    slot: int
    dtype: str

    @property
    def itemsize(self) -> int:
        """Return the bytes of one element."""
        return int(self.dtype[2:])

    @property
    def default(self) -> Any:
        """Return an array without elements."""
        from testbeam.wire.flatbuffers.codec.vectors import empty

        return empty(self.dtype)


@dataclass(frozen=True, slots=True, eq=False)
class Nested:
    """Another table; a missing one reads as None."""

    name: str
    slot: int
    table: "Table"
    default: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class NestedVector:
    """A vector of tables, read as a tuple; a missing one reads as (). `last_first` is the order in which a builder makes them."""

    name: str
    slot: int
    table: "Table"
    default: Any = ()
    last_first: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Union:
    """One table out of several; its type is a byte in the slot before. Reads and writes as (type, values of the table)."""

    name: str
    slot: int
    members: Mapping[int, "Table"]
    default: Any = None

    @property
    def type_name(self) -> str:
        """Return the name of the cell with the type."""
        return f"{self.name}_type"


Field: TypeAlias = Scalar | String | StringVector | Vector | Nested | NestedVector | Union
ObjectField: TypeAlias = String | StringVector | Vector | Nested | NestedVector | Union

_T = TypeVar("_T")


class CellRole(IntEnum):
    """What a cell of a table says of its field: its value, the type of its union, or how far away its object is."""

    NUMBER = 0
    TYPE = 1
    OFFSET = 2


class Cell(NamedTuple):
    """One entry of a table: `place` is its field's place among the fields, `code` its letter in `struct`."""

    slot: int
    code: str
    name: str
    place: int
    role: CellRole

    @property
    def width(self) -> int:
        """Return the bytes it takes."""
        return SCALAR_WIDTH[self.code]

    @property
    def alignment(self) -> int:
        """Return of what its place must be a multiple."""
        return 4 if self.code == "8s" else self.width


@dataclass(frozen=True, eq=False)
class Table:
    """A FlatBuffers table: its fields in the order in which values are handed out and taken.

    `created` and `added` name the order in which a builder makes the objects and fills the cells: any order is valid, the
    one of ess-streaming-data-types gives its very bytes. `omits_defaults` leaves out numbers that equal their default.
    """

    name: str
    fields: tuple[Field, ...]
    created: str = ""
    added: str = ""
    omits_defaults: bool = False
    layouts: dict[bytes, Any] = field(default_factory=dict, repr=False)  # the reader's, by vtable

    @cached_property
    def identifier(self) -> bytes:
        """Return the four bytes that stand at offset 4 of a message with this root."""
        return self.name.encode("ascii")

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Return what stands in the table, lowest slot first."""
        numbered = list(enumerate(self.fields))
        types = [Cell(f.slot - 1, "B", f.type_name, i, CellRole.TYPE) for i, f in numbered if isinstance(f, Union)]
        numbers = [Cell(f.slot, f.code, f.name, i, CellRole.NUMBER) for i, f in numbered if isinstance(f, Scalar)]
        offsets = [Cell(f.slot, "I", f.name, i, CellRole.OFFSET) for i, f in numbered if not isinstance(f, Scalar)]
        return tuple(sorted(types + numbers + offsets))

    @cached_property
    def cells_added(self) -> tuple[Cell, ...]:
        """Return the same in the order in which a builder fills them in."""
        return _in_order(self.added, {cell.name: cell for cell in self.cells})

    @cached_property
    def fields_created(self) -> tuple[tuple[int, ObjectField], ...]:
        """Return the objects outside the table, each with its index, in the order in which a builder makes them."""
        return _in_order(self.created, {f.name: (i, f) for i, f in enumerate(self.fields) if not isinstance(f, Scalar)})

    @cached_property
    def vtable_size(self) -> int:
        """Return how many bytes of a vtable this schema looks at; a newer producer's may be longer."""
        return 6 + 2 * max(cell.slot for cell in self.cells)


def _in_order(names: str, by_name: dict[str, _T]) -> tuple[_T, ...]:
    """Return the values of a dictionary, those named first, in that order."""
    named = names.split()
    return tuple(by_name[name] for name in named) + tuple(value for name, value in by_name.items() if name not in named)
