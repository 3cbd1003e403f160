"""What messages become on their way from Kafka to a writer module: rows of one kind, many messages in few arrays."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from testbeam.model.columns import EventColumns
from testbeam.services.filewriter.window import Slots, TimesNs

KINDS = tuple(np.dtype(f"<{code}") for code in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"))
"""The dtypes of log values; a row holds the place in this tuple."""

Index: TypeAlias = NDArray[np.intp]


class Rows(ABC):
    """Messages in the order they came."""

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
