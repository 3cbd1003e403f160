"""Columns of many ev44 messages read at once: their arrays are put end to end by source, copied once; those of a single message are views.

Source: ev44_events.fbs.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import WireError
from testbeam.model.columns import EventBatch, EventColumns
from testbeam.wire.flatbuffers.schemas.events_ev44 import check_lengths, decode_ev44, decode_name
from testbeam.wire.flatbuffers.schemas.layouts_ev44 import I4, I8, Places, locate

_COPY_BELOW = 1_000  # events: up to here a copy is cheaper than a view


class _Source:
    """The messages of one source so far, as bytes to be joined."""

    __slots__ = ("indices", "message_facts", "name", "pixel_ids", "reference_times", "times_of_flight")

    def __init__(self, name: str) -> None:
        self.name = name
        self.message_facts: list[tuple[int, int, int, int]] = []
        self.reference_times: list[bytes] = []
        self.indices: list[bytes] = []
        self.times_of_flight: list[bytes | memoryview] = []
        self.pixel_ids: list[bytes | memoryview] = []

    def columns(self) -> EventColumns:
        row, message_id, pulse_count, event_count = np.array(self.message_facts, np.int64).T
        return EventColumns(
            source_name=self.name,
            row=row.astype(np.intp, copy=False),
            message_id=message_id,
            pulse_count=pulse_count,
            event_count=event_count,
            reference_time_ns=np.frombuffer(b"".join(self.reference_times), I8),
            reference_time_index=np.frombuffer(b"".join(self.indices), I4),
            time_of_flight_ns=_end_to_end(self.times_of_flight, int(event_count.sum())),
            pixel_id=_end_to_end(self.pixel_ids, int(event_count.sum())),
        )


def _end_to_end(parts: list[bytes | memoryview], events: int) -> NDArray[np.int32]:
    if len(parts) == 1:
        return np.frombuffer(parts[0], I4)
    if events < _COPY_BELOW * len(parts):
        return np.frombuffer(b"".join(parts), I4)
    # numpy's own allocation is three times as fast for megabytes, as it asks for huge pages
    return np.concatenate([np.frombuffer(part, I4) for part in parts])


class _Reading:
    """One batch on its way into columns; the raw name and whether there are pixel ids tell the columns apart."""

    def __init__(self) -> None:
        self.sources: dict[tuple[bytes, bool], _Source] = {}
        self.rejected: list[tuple[int, WireError]] = []

    def source(self, raw_name: bytes, has_pixels: bool) -> _Source:
        source = self.sources.get((raw_name, has_pixels))
        if source is None:
            source = self.sources[raw_name, has_pixels] = _Source(decode_name(raw_name))
        return source

    def read(self, row: int, buffer: bytes) -> None:
        places = locate(buffer)
        if places is None:
            self.read_any(row, buffer)
        else:
            self.read_located(row, buffer, places)

    def read_located(self, row: int, buffer: bytes, places: Places) -> None:
        message_id, pixel_id, pixels, time_of_flight, events, index, indices, reference_time, pulses, name, end = places
        check_lengths(pulses, indices, events, pixels)
        source = self.source(buffer[name:end], pixels == events)
        source.message_facts.append((row, message_id, pulses, events))
        source.reference_times.append(buffer[reference_time : reference_time + 8 * pulses])
        source.indices.append(buffer[index : index + 4 * indices])
        view = buffer if events < _COPY_BELOW else memoryview(buffer)
        source.times_of_flight.append(view[time_of_flight : time_of_flight + 4 * events])
        source.pixel_ids.append(view[pixel_id : pixel_id + 4 * pixels])

    def read_any(self, row: int, buffer: bytes) -> None:
        value = decode_ev44(buffer)
        source = self.source(value.source_name.encode(), len(value.pixel_id) == len(value.time_of_flight_ns))
        source.message_facts.append((row, value.message_id, len(value.reference_time_ns), len(value.time_of_flight_ns)))
        source.reference_times.append(value.reference_time_ns.tobytes())
        source.indices.append(value.reference_time_index.tobytes())
        source.times_of_flight.append(value.time_of_flight_ns.tobytes())
        source.pixel_ids.append(value.pixel_id.tobytes())


def decode_ev44_columns(buffers: Sequence[bytes]) -> EventBatch:
    """Return a batch of messages as columns by source; every row is in one of them or rejected with its WireError."""
    reading = _Reading()
    for row, buffer in enumerate(buffers):
        try:
            reading.read(row, buffer)
        except WireError as error:
            reading.rejected.append((row, error))
    return EventBatch(columns=tuple(source.columns() for source in reading.sources.values()), rejected=tuple(reading.rejected))
