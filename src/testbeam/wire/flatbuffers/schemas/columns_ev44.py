"""Columns of many ev44 messages read at once: their arrays are put end to end by source; those of a single message are views.

Messages in the known layouts are checked all at once, as columns of their words. A batch with any other message in it is read one by one.
Source: ev44_events.fbs.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import WireError
from testbeam.model.columns import EventBatch, EventColumns
from testbeam.wire.flatbuffers.schemas.events_ev44 import HEADS, I4, I8, Places, check_lengths, decode_ev44, decode_name, locate

_COPY_BELOW = 1_000  # events: up to here a copy is cheaper than a view
_MANY = 200  # messages: from here on all at once costs less than one by one (0.9 and 2.3 µs a message of 1,000; 9 and 3 of 20)
_SHORT = 1_500  # bytes a message: above that, joining them costs more than it saves
_U4 = np.dtype("<u4")
_SHORTEST = 80  # bytes
_WORDS = 15  # of a message's beginning, with all that stands in a fixed place

_Longs: TypeAlias = NDArray[np.int64]


def decode_ev44_columns(buffers: Sequence[bytes]) -> EventBatch:
    """Return a batch of messages as columns by source; every row is in one of them or rejected with its WireError."""
    located = _locate_all(buffers)
    if located is not None:
        columns = tuple(located.columns(name, rows) for name, rows in located.by_source())
        return EventBatch(columns=columns, rejected=())
    reading = _Reading()
    for row, buffer in enumerate(buffers):
        try:
            reading.read(row, buffer)
        except WireError as error:
            reading.rejected.append((row, error))
    return EventBatch(columns=tuple(source.columns() for source in reading.sources.values()), rejected=tuple(reading.rejected))


class _Located(NamedTuple):
    """Verified places of all n messages in `words`, which are the joined messages.

    at, counts (5, n): first word and count of pixel_id, time_of_flight, reference_time_index, reference_time, and the name.
    """

    joined: bytes
    words: NDArray[np.uint32]
    message_id: _Longs
    at: _Longs
    counts: _Longs
    names: list[bytes]

    def by_source(self) -> Iterator[tuple[str, NDArray[np.intp]]]:
        """Yield name and rows of each source, apart for messages with and without pixel ids, in the order in which they first come."""
        having = self.counts[0] == self.counts[1]
        if having.all() and self.names.count(self.names[0]) == len(self.names):
            yield decode_name(self.names[0]), np.arange(len(self.names))
            return
        groups: dict[tuple[bytes, bool], list[int]] = {}
        for row, key in enumerate(zip(self.names, having.tolist(), strict=True)):
            groups.setdefault(key, []).append(row)
        for (name, _having), rows in groups.items():
            yield decode_name(name), np.array(rows, np.intp)

    def columns(self, name: str, rows: NDArray[np.intp]) -> EventColumns:
        """Return the messages of these rows, all of one source."""
        pixel_id, time_of_flight, index, reference_time, _name = self.at[:, rows]
        pixels, events, _indices, pulses, _length = self.counts[:, rows]
        return EventColumns(
            source_name=name,
            row=rows,
            message_id=self.message_id[rows],
            pulse_count=pulses,
            event_count=events,
            reference_time_ns=_gathered(self.words, reference_time, 2 * pulses).view(I8),
            reference_time_index=_gathered(self.words, index, pulses).view(I4),
            time_of_flight_ns=self._end_to_end(time_of_flight, events),
            pixel_id=self._end_to_end(pixel_id, pixels),
        )

    def _end_to_end(self, starts: _Longs, counts: _Longs) -> NDArray[np.int32]:
        if len(counts) > 1 and int(counts.sum()) < _COPY_BELOW * len(counts):
            places = zip((4 * starts).tolist(), (4 * (starts + counts)).tolist(), strict=True)
            return np.frombuffer(b"".join([self.joined[start:end] for start, end in places]), I4)
        words = self.words.view(I4)
        parts = [words[start:end] for start, end in zip(starts.tolist(), (starts + counts).tolist(), strict=True)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _gathered(words: NDArray[np.uint32], starts: _Longs, counts: _Longs) -> NDArray[np.uint32]:
    """Return `counts` words from each of `starts` on, end to end."""
    ends = counts.cumsum()
    gathered: NDArray[np.uint32] = words[np.repeat(starts - ends + counts, counts) + np.arange(ends[-1])]
    return gathered


def _locate_all(buffers: Sequence[bytes]) -> _Located | None:
    """Return the verified places of the arrays of all messages, None if any is not in a known layout or is wrong, or they are few or long.

    The conditions are those of `events_ev44.locate`.
    """
    n = len(buffers)
    sizes = np.fromiter(map(len, buffers), np.int64, n)
    if n < _MANY or sizes.min() < _SHORTEST or sizes.sum() > _SHORT * n or (sizes & 3).any():
        return None
    joined = b"".join(buffers)
    words, starts = np.frombuffer(joined, _U4), (sizes.cumsum() - sizes) >> 2
    beginning = words[starts + np.arange(_WORDS)[:, np.newaxis]].astype(np.int64)
    positions = _positions(beginning, sizes)
    if positions is None:
        return None
    at = starts + (positions >> 2)  # of pixel_id, time_of_flight, index, reference_time and name: first their counts, then they
    counts = words[at].astype(np.int64)
    per_item = np.array([1, 1, 1, 2])[:, np.newaxis]
    pixels, events, indices, pulses, length = counts
    fits = (at[:4] + counts[:4] * per_item < at[1:]).all(axis=0) & (positions[4] + 4 + length < sizes)
    if not (fits & (pulses == indices) & ((pixels == events) | (pixels == 0))).all():
        return None
    names = _names(joined, 4 * at[4] + 4, length)
    if names is None:
        return None
    return _Located(joined, words, beginning[8] | (beginning[9] << 32), at + 1, counts, names)


def _positions(beginning: _Longs, sizes: _Longs) -> _Longs | None:
    """Return where each message has the counts of its arrays and name, (5, n) bytes; None if any could be elsewhere than in it.

    beginning: (words, n).
    """
    is_first, is_second = ((_words_of(head) == beginning[:7]).all(axis=0) for head, _at in HEADS)
    if not (is_first | is_second).all():
        return None
    at = np.where(is_second, HEADS[1][1], HEADS[0][1])
    offsets = np.where(is_second, beginning[11:15], beginning[10:14]) + at + 4 * np.arange(4)[:, np.newaxis]
    positions = np.vstack((offsets, beginning[7] + 28))
    odd = ((positions[0] | positions[1] | positions[2] | positions[4]) & 3) | ((positions[3] & 7) ^ 4)
    in_order = (at + 16 <= positions[0]) & (positions[:-1] < positions[1:]).all(axis=0) & (positions[4] <= sizes - 5)
    return positions if in_order.all() and not odd.any() else None


def _words_of(head: bytes) -> _Longs:
    return np.frombuffer(head, _U4).astype(np.int64)[:, np.newaxis]


def _same_name(joined: bytes, starts: _Longs, lengths: _Longs) -> list[bytes]:
    """Return the raw names if all are the same, else nothing."""
    length = int(lengths[0])
    if not 0 < length <= _SHORTEST or (lengths != length).any():
        return []
    letters = np.frombuffer(joined, np.uint8)[starts + np.arange(length)[:, np.newaxis]]
    same = (letters == letters[:, :1]).all()
    return [joined[int(starts[0]) : int(starts[0]) + length]] * len(starts) if same else []


def _names(joined: bytes, starts: _Longs, lengths: _Longs) -> list[bytes] | None:
    """Return the raw names; None if one does not end in a zero or is not UTF-8."""
    ends = starts + lengths
    if np.frombuffer(joined, np.uint8)[ends].any():
        return None
    names = _same_name(joined, starts, lengths) or [joined[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    try:
        for name in set(names):
            name.decode()
    except UnicodeDecodeError:
        return None
    return names


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
