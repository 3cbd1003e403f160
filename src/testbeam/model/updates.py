"""Updates of PVs as columns: values, alarms, connection changes and units, one row an update.

Columns rather than one object an update: a beamline sends tens of thousands a second, and a frozen dataclass alone costs 1 µs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from testbeam.model.samples import ConnectionState, Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from testbeam.model.arrays import ImageAttribute

Column: TypeAlias = "Sequence[Any] | NDArray[Any]"  # a client in Python fills lists, one in C fills arrays


_WORDS = {"U": "text", "?": "bool", "O": "something else"}


class Form(StrEnum):
    """What a value is, apart from the type of its elements."""

    SCALAR = "scalar"
    ARRAY = "array"
    ENUM = "enum"  # its index
    IMAGE = "image"  # an NTNDArray, as `Image`
    TABLE = "table"  # an NTTable's columns by name
    OTHER = "structure"  # what no column holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An NTNDArray: `data` with the slowest dimension first, and what is to be known of it."""

    unique_id: int
    data: NDArray[Any]
    attributes: tuple[ImageAttribute, ...] = ()
    colour_mode: str = "Mono"
    codec: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueColumns:
    """Updates whose values are of one form and one element type; each stream's rows are in the order of their arrival.

    `dtype` is numpy's code of the element type ("f8", "i4", …; "U" for text, "?" for bool). `value` (n,) holds numbers or texts, or one
    array, `Image` or mapping of columns a row, by `form`. `stream` (n,) and `timestamp_ns` (n,), the EPICS time in ns since 1970.
    """

    form: Form
    dtype: str
    stream: Column
    value: Column
    timestamp_ns: Column

    @property
    def kind(self) -> str:
        """Return what the values are, in words for an error message."""
        element = _WORDS.get(self.dtype, self.dtype)
        return element if self.form is Form.SCALAR else f"{self.form.value} of {element}"

    def rows(self) -> Iterator[tuple[int, Any, int]]:
        """Yield (stream, value, timestamp_ns) as Python objects."""
        return zip(_items(self.stream), _items(self.value), _items(self.timestamp_ns), strict=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmColumns:
    """Alarms that may have changed: a client leaves out rows that it knows to be as before, and need not."""

    stream: Sequence[int] = ()
    timestamp_ns: Sequence[int] = ()
    severity: Sequence[Severity] = ()
    message: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionColumns:
    """Connection changes; CONNECTED bears the EPICS time of the first update, all others the time they were seen."""

    stream: Sequence[int] = ()
    timestamp_ns: Sequence[int] = ()
    state: Sequence[ConnectionState] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitsColumns:
    """Units, for streams that asked for them: the first one and each that may have changed."""

    stream: Sequence[int] = ()
    timestamp_ns: Sequence[int] = ()
    units: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateBatch:
    """All that a client of PVs has gathered; `stream` in every column is the number given when subscribing.

    `dropped` counts updates that the client had no room for (the newest of each PV is kept); `overruns` names a stream each time that its
    queue was full, so that its newest update may stand for any number; `problems` are (stream, text), with stream 0 where it is not about
    one PV.
    """

    values: Sequence[ValueColumns] = ()
    alarms: AlarmColumns = AlarmColumns()
    connections: ConnectionColumns = ConnectionColumns()
    units: UnitsColumns = UnitsColumns()
    dropped: int = 0
    overruns: Sequence[int] = ()
    problems: Sequence[tuple[int, str]] = ()

    def __len__(self) -> int:
        return sum(len(columns.stream) for columns in self.values)


def _items(column: Column) -> Sequence[Any]:
    """Return Python's own numbers: one of numpy's costs five times as much in every step that follows."""
    return column if isinstance(column, Sequence) else column.tolist()
