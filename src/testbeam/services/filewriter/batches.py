"""Batches of messages between decoding and writing: sources, payload times, and rows of one kind, many messages in few arrays.

Everything here is in the order of arrival. n messages have `source` (n,), `times_ns` (n,) int64 and n rows.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import WireError
from testbeam.model.columns import EventColumns, LogColumns
from testbeam.model.time import sound_ns
from testbeam.services.filewriter.events import in_order
from testbeam.wire.flatbuffers.registry import DECODERS
from testbeam.wire.flatbuffers.schemas.columns_ev44 import decode_ev44_columns
from testbeam.wire.flatbuffers.schemas.columns_f144 import decode_f144_columns

Slots: TypeAlias = NDArray[np.int32]
"""(n,) number of each message's source, from 0."""
TimesNs: TypeAlias = NDArray[np.int64]
"""(n,) payload times, ns since 1970."""

KINDS = tuple(np.dtype(f"<{code}") for code in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"))
"""The dtypes of log values; a row holds the place in this tuple."""

Index: TypeAlias = NDArray[np.intp]


class Rows(ABC):
    """Messages in the order they came.

    `flush_bytes`: what may wait in one stream writer: large enough for long writes of many sources, small enough for any machine.
    """

    flush_bytes: ClassVar[int] = 16 * 2**20

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def select(self, index: Index) -> Self:
        """Return these rows, in this order."""

    @classmethod
    @abstractmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of all parts."""

    @classmethod
    def by_slot(cls, parts: Sequence[tuple[Slots, TimesNs, Self]]) -> Iterator[tuple[int, TimesNs, Self]]:
        """Yield what belongs to each slot; the order within a slot is kept."""
        all_slots, all_times, all_rows = zip(*parts, strict=True)
        slots, times, rows = np.concatenate(all_slots), np.concatenate(all_times), cls.join(all_rows)
        order = np.argsort(slots, kind="stable")
        slots, times, rows = slots[order], times[order], rows.select(order)
        edges = np.r_[0, np.flatnonzero(slots[1:] != slots[:-1]) + 1, len(slots)]
        for start, end in itertools.pairwise(edges.tolist()):
            yield int(slots[start]), times[start:end], rows.slice(start, end)

    def slice(self, start: int, end: int) -> Self:
        """Return the rows from `start` to before `end`."""
        return self.select(np.arange(start, end, dtype=np.intp))


@dataclass(frozen=True, slots=True)
class LogRows(Rows):
    """Scalars of f144: the number of their dtype in `KINDS`, and their bytes in the low part of `bits`."""

    kind: NDArray[np.uint8]
    bits: NDArray[np.uint64]

    @classmethod
    def of(cls, values: NDArray[Any]) -> Self:
        """Return rows of these values, all of one dtype."""
        bits = np.zeros(len(values), np.uint64)
        bits.view(values.dtype)[:: 8 // values.dtype.itemsize] = values
        return cls(np.full(len(values), KINDS.index(values.dtype), np.uint8), bits)

    def __len__(self) -> int:
        return len(self.kind)

    def select(self, index: Index) -> Self:
        """Return these rows."""
        return type(self)(self.kind[index], self.bits[index])

    def slice(self, start: int, end: int) -> Self:
        """Return a view."""
        return type(self)(self.kind[start:end], self.bits[start:end])

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Return all rows."""
        return (
            parts[0]
            if len(parts) == 1
            else cls(*(np.concatenate(column) for column in zip(*((p.kind, p.bits) for p in parts), strict=True)))
        )

    def values(self) -> Iterator[NDArray[Any]]:
        """Yield the numbers, one array for each run of equal dtype."""
        edges = np.r_[0, np.flatnonzero(self.kind[1:] != self.kind[:-1]) + 1, len(self.kind)]
        for start, end in itertools.pairwise(edges.tolist()):
            if end > start:
                dtype = KINDS[self.kind[start]]
                yield self.bits[start:end].view(dtype)[:: 8 // dtype.itemsize]


@dataclass(frozen=True, slots=True)
class ObjectRows(Rows):
    """Values of rare messages (al00, ep01, f144 with arrays), one Python object each."""

    values: NDArray[Any]

    @classmethod
    def of(cls, values: Sequence[Any]) -> Self:
        """Return rows of these objects; arrays among them stay what they are."""
        array = np.empty(len(values), object)
        for i, value in enumerate(values):
            array[i] = value
        return cls(array)

    def __len__(self) -> int:
        return len(self.values)

    def select(self, index: Index) -> Self:
        """Return these rows."""
        return type(self)(self.values[index])

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Return all rows."""
        return cls(np.concatenate([part.values for part in parts]))


@dataclass(frozen=True, slots=True)
class EventRows(Rows):
    """ev44 messages of one source, their events end to end: never sorted or joined, since that would copy them."""

    columns: EventColumns
    flush_bytes: ClassVar[int] = 4 * 2**20  # while they are still in the processor's cache

    def __len__(self) -> int:
        return len(self.columns.row)

    def select(self, index: Index) -> Self:
        """Return these messages, which must be in their order; all of them cost nothing."""
        c = self.columns
        if len(index) == len(c.row):
            return self
        kept = np.zeros(len(c.row), bool)
        kept[index] = True
        pulses, events = np.repeat(kept, c.pulse_count), np.repeat(kept, c.event_count)
        return type(self)(
            EventColumns(
                source_name=c.source_name,
                row=c.row[kept],
                message_id=c.message_id[kept],
                pulse_count=c.pulse_count[kept],
                event_count=c.event_count[kept],
                reference_time_ns=c.reference_time_ns[pulses],
                reference_time_index=c.reference_time_index[pulses],
                time_of_flight_ns=c.time_of_flight_ns[events],
                pixel_id=c.pixel_id[events] if len(c.pixel_id) else c.pixel_id,
            )
        )

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Return the one part there is."""
        (part,) = parts
        return part

    @classmethod
    def by_slot(cls, parts: Sequence[tuple[Slots, TimesNs, Self]]) -> Iterator[tuple[int, TimesNs, Self]]:
        """Yield the parts, each of one slot, as they are."""
        for slots, times, rows in parts:
            yield int(slots[0]), times, rows


_OBJECT_BYTES = 500  # what a Python value and the message behind it take besides their arrays


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Messages of one schema and one shape ("array": f144 with an array), those of each source in the order they came.

    row (n,): each message's place in what was decoded; source (n,): the place of its source in `source_names`; nbytes: what the rows
    keep in memory.
    """

    shape: str = ""
    source_names: Sequence[str]
    row: Index
    source: NDArray[np.intp]
    times_ns: TimesNs
    rows: Rows
    nbytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """The batches of one run of messages, how many failed verification, and what was wrong with the last of those."""

    batches: Sequence[Batch]
    failed: int
    problem: str


_Decoder: TypeAlias = Callable[[Sequence[bytes]], Decoded]


def decode(schema: bytes, buffers: Sequence[bytes]) -> Decoded:
    """Return what the messages carry; all have the same schema, one of those that modules write."""
    decoder = _IN_COLUMNS.get(schema)
    return decoder(buffers) if decoder else _decode_objects(schema, buffers)


def verified(schema: bytes, buffers: Sequence[bytes]) -> tuple[list[int], list[Any], str]:
    """Return the places and the values of the valid messages, and what was wrong with the last of the others."""
    rows: list[int] = []
    values, problem = [], ""
    decoder = DECODERS[schema.decode()]
    for row, buffer in enumerate(buffers):
        try:
            values.append(decoder(buffer))
            rows.append(row)
        except WireError as error:
            problem = str(error)
    return rows, values, problem


def is_known(schema: bytes) -> bool:
    """Tell whether there is such a schema, whoever uses it."""
    return schema.decode("latin-1") in DECODERS


def _decode_objects(schema: bytes, buffers: Sequence[bytes]) -> Decoded:
    rows, values, problem = verified(schema, buffers)
    batches = [_object_batch(rows, values, values)] if values else []
    return Decoded(batches=batches, failed=len(buffers) - len(values), problem=problem)


def _decode_logs(buffers: Sequence[bytes]) -> Decoded:
    decoded = decode_f144_columns(buffers)
    batches = [_scalars(decoded.columns)] if decoded.columns else []
    if decoded.arrays:
        rows, logs = zip(*sorted(decoded.arrays, key=lambda item: item[0]), strict=True)  # they come grouped by their structure
        batches.append(_object_batch(rows, logs, [log.value for log in logs], "array"))
    return Decoded(batches=batches, failed=len(decoded.rejected), problem=_last(decoded.rejected))


def _decode_events(buffers: Sequence[bytes]) -> Decoded:
    decoded = decode_ev44_columns(buffers)
    batches = [_events(columns) for columns in in_order(decoded.columns)]
    return Decoded(batches=batches, failed=len(decoded.rejected), problem=_last(decoded.rejected))


def _scalars(columns: Sequence[LogColumns]) -> Batch:
    """Return one batch of all dtypes, since the order within a source counts."""
    names = [name for column in columns for name in column.source_names]
    firsts = np.cumsum([0, *(len(column.source_names) for column in columns)])
    source = np.concatenate([column.source + first for column, first in zip(columns, firsts[:-1], strict=True)])
    times = np.concatenate([column.timestamp_ns for column in columns])
    row = np.concatenate([column.row for column in columns])
    rows = LogRows.join([LogRows.of(column.value) for column in columns])
    if len(columns) > 1:
        order = np.argsort(row, kind="stable")
        row, source, times, rows = row[order], source[order], times[order], rows.select(order)
    return Batch(source_names=names, row=row, source=source, times_ns=times, rows=rows, nbytes=21 * len(times))


def _object_batch(at: Sequence[int], values: Sequence[Any], rows: Sequence[Any], shape: str = "") -> Batch:
    places = {name: place for place, name in enumerate(dict.fromkeys(value.source_name for value in values))}
    return Batch(
        shape=shape,
        source_names=list(places),
        row=np.array(at, np.intp),
        source=np.array([places[value.source_name] for value in values], np.intp),
        times_ns=np.array([_time_of(value) for value in values], np.int64),
        rows=ObjectRows.of(rows),
        nbytes=_OBJECT_BYTES * len(values) + sum(map(_size, rows)),
    )


def _size(row: Any) -> int:
    """Return roughly how many bytes of arrays a message's value holds."""
    arrays = [getattr(row, name, None) for name in ("data", "value", "values", "timestamps_ns", "time_of_flight_ns", "detector_id")]
    arrays += [variable.data for variable in getattr(row, "variables", ())]
    return int(getattr(row, "nbytes", 0)) + sum(getattr(array, "nbytes", 0) for array in arrays)


def _time_of(value: Any) -> int:
    """Return the payload time of a message; of one with many samples that of the first, 0 without any or with one that can't be."""
    times = getattr(value, "timestamps_ns", None)
    if times is not None and (len(times) or not hasattr(value, "timestamp_ns")):
        return sound_ns(int(times[0])) if len(times) else 0
    return sound_ns(int(value.timestamp_ns))


def _events(columns: EventColumns) -> Batch:
    """Return the messages of one source; their time is that of their first pulse, 0 for a message without pulses."""
    times = np.zeros(len(columns.row), np.int64)
    with_pulses = columns.pulse_count > 0
    first_pulses = np.cumsum(columns.pulse_count) - columns.pulse_count
    times[with_pulses] = columns.reference_time_ns[first_pulses[with_pulses]]
    return Batch(
        source_names=[columns.source_name],
        row=columns.row,
        source=np.zeros(len(times), np.intp),
        times_ns=times,
        rows=EventRows(columns),
        nbytes=columns.time_of_flight_ns.nbytes + columns.pixel_id.nbytes + 64 * len(times),
    )


def _last(rejected: Sequence[tuple[int, WireError]]) -> str:
    return str(rejected[-1][1]) if rejected else ""


_IN_COLUMNS: Mapping[bytes, _Decoder] = {b"f144": _decode_logs, b"ev44": _decode_events}
