"""Many messages of a data topic at once, as arrays: what the hot paths carry instead of one object a message."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbeam.errors import WireError
from testbeam.model.samples import LogValue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class LogColumns:
    """Scalar f144 messages of one dtype, one row each, in the order of their batch.

    `row` is the message's place in the batch, `source` its source's place in `source_names`; a source's name is there once.
    """

    source_names: tuple[str, ...]
    row: NDArray[np.intp]
    source: NDArray[np.intp]
    timestamp_ns: NDArray[np.int64]
    value: NDArray[np.generic]

    def by_source(self) -> Iterator[tuple[str, NDArray[np.intp], NDArray[np.int64], NDArray[np.generic]]]:
        """Yield each source's name with its rows, times and values in the order of the batch."""
        order = self.source.argsort(kind="stable")
        bounds = self.source[order].searchsorted(range(len(self.source_names) + 1)).tolist()
        row, timestamp_ns, value = self.row[order], self.timestamp_ns[order], self.value[order]
        for name, start, stop in zip(self.source_names, bounds[:-1], bounds[1:], strict=True):
            yield name, row[start:stop], timestamp_ns[start:stop], value[start:stop]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogBatch:
    """A batch of f144 messages: scalars as columns by dtype, arrays one by one, and what is no valid f144; each with its row."""

    columns: tuple[LogColumns, ...]
    arrays: tuple[tuple[int, LogValue], ...]
    rejected: tuple[tuple[int, WireError], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventColumns:
    """The ev44 messages of one source out of a batch, end to end, either all with pixel ids or all without.

    Per message: `row` (its place in the batch), `message_id`, `pulse_count`, `event_count`. Per pulse: `reference_time_ns`,
    and `reference_time_index` as sent, which counts from the message's first event. Per event: `time_of_flight_ns`, `pixel_id`.
    """

    source_name: str
    row: NDArray[np.intp]
    message_id: NDArray[np.int64]
    pulse_count: NDArray[np.int64]
    event_count: NDArray[np.int64]
    reference_time_ns: NDArray[np.int64]
    reference_time_index: NDArray[np.int32]
    time_of_flight_ns: NDArray[np.int32]
    pixel_id: NDArray[np.int32]

    def event_index(self) -> NDArray[np.int64]:
        """Return each pulse's first event, counted from the first event of these columns."""
        first: NDArray[np.int64] = self.event_count.cumsum() - self.event_count
        index: NDArray[np.int64] = first.repeat(self.pulse_count) + self.reference_time_index
        return index


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBatch:
    """A batch of ev44 messages: columns by source, and what is no ev44 with its row."""

    columns: tuple[EventColumns, ...]
    rejected: tuple[tuple[int, WireError], ...]
