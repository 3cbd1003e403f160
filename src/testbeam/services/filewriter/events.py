"""Columns of one event source, with and without pixel ids, joined in the order the messages came."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from testbeam.model.columns import EventColumns

NO_PIXEL = -1


def in_order(columns: Sequence[EventColumns]) -> list[EventColumns]:
    """Return one column a source.

    A monitor sends no pixel ids, and a pulse without events could be either, so one source often comes in two columns. Events
    without a pixel id among others with one get `NO_PIXEL`.
    """
    by_name: dict[str, list[EventColumns]] = {}
    for column in columns:
        by_name.setdefault(column.source_name, []).append(column)
    return [parts[0] if len(parts) == 1 else _merged(parts) for parts in by_name.values()]


def _merged(parts: Sequence[EventColumns]) -> EventColumns:
    order = np.argsort(np.concatenate([part.row for part in parts]), kind="stable")
    pulses = np.concatenate([part.pulse_count for part in parts])
    events = np.concatenate([part.event_count for part in parts])
    pulse_index, event_index = gather(pulses, order), gather(events, order)
    pixel_id = np.concatenate([_pixels(part) for part in parts])[event_index] if any(len(part.pixel_id) for part in parts) else _NONE
    return EventColumns(
        source_name=parts[0].source_name,
        row=np.concatenate([part.row for part in parts])[order],
        message_id=np.concatenate([part.message_id for part in parts])[order],
        pulse_count=pulses[order],
        event_count=events[order],
        reference_time_ns=np.concatenate([part.reference_time_ns for part in parts])[pulse_index],
        reference_time_index=np.concatenate([part.reference_time_index for part in parts])[pulse_index],
        time_of_flight_ns=np.concatenate([part.time_of_flight_ns for part in parts])[event_index],
        pixel_id=pixel_id,
    )


def _pixels(part: EventColumns) -> NDArray[np.int32]:
    missing = len(part.time_of_flight_ns) - len(part.pixel_id)
    return np.full(missing, NO_PIXEL, np.int32) if missing else part.pixel_id


def gather(counts: NDArray[np.int64], order: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return where the items of each message are, for messages of `counts` (n,) items in a new order (m,); the result is (items,)."""
    starts, sizes = np.cumsum(counts) - counts, counts[order]
    new_starts = np.cumsum(sizes) - sizes
    index: NDArray[np.int64] = np.repeat(starts[order] - new_starts, sizes) + np.arange(sizes.sum())
    return index


_NONE = np.empty(0, np.int32)
