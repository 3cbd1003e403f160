"""Many messages at once: what a batch says of each, and of each source."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam.model.samples import Events, LogValue
from testbeam.wire.flatbuffers.schemas import columns_ev44, columns_f144
from testbeam.wire.flatbuffers.schemas.columns_ev44 import decode_ev44_columns
from testbeam.wire.flatbuffers.schemas.columns_f144 import decode_f144_columns
from testbeam.wire.flatbuffers.schemas.events_ev44 import encode_ev44, locate
from testbeam.wire.flatbuffers.schemas.log_value_f144 import SCALAR_LAYOUTS, SHORTEST, STRUCTURE, encode_f144
from tests.hostile.corpus import HOSTILE, VALID
from tests.unit.wire.library import LIBRARY
from tests.unit.wire.values import F144_TYPES, VALUES, same


def _number(name: str, number: int, timestamp_ns: int, dtype: str = "f8") -> bytes:
    return encode_f144(LogValue(source_name=name, value=np.dtype(dtype).type(number), timestamp_ns=timestamp_ns))


def _events(name: str, message_id: int, count: int, *, pixels: bool = True, index: tuple[int, ...] = (0,)) -> bytes:
    times = np.arange(count, dtype=np.int32) + 100 * message_id
    value = Events(
        source_name=name,
        message_id=message_id,
        reference_time_ns=np.arange(len(index), dtype=np.int64) + 10 * message_id,
        reference_time_index=np.array(index, np.int32),
        time_of_flight_ns=times,
        pixel_id=times[: count if pixels else 0],
    )
    return encode_ev44(value)


def test_an_empty_batch_has_no_columns() -> None:
    assert decode_f144_columns([]).columns == ()
    assert decode_ev44_columns([]).columns == ()


def test_scalars_come_as_columns_by_type_in_the_order_of_the_batch() -> None:
    batch = decode_f144_columns([_number("A", 1, 10), _number("B:LONG", 2, 11), _number("C", 3, 12, "i4"), _number("A", 4, 13)])

    doubles, integers = sorted(batch.columns, key=lambda c: c.value.dtype.kind)
    assert (doubles.row.tolist(), doubles.timestamp_ns.tolist(), doubles.value.tolist()) == ([0, 1, 3], [10, 11, 13], [1.0, 2.0, 4.0])
    assert [doubles.source_names[s] for s in doubles.source] == ["A", "B:LONG", "A"]
    assert (integers.row.tolist(), integers.value.tolist(), integers.value.dtype.name) == ([2], [3], "int32")
    assert batch.arrays == ()
    assert batch.rejected == ()


def test_columns_are_told_apart_by_source() -> None:
    messages = [_number("A", 1, 10), _number("B", 2, 11), _number("A", 3, 12)]
    (columns,) = decode_f144_columns(messages).columns

    by_source = {name: (row.tolist(), at.tolist(), value.tolist()) for name, row, at, value in columns.by_source()}

    assert by_source == {"A": ([0, 2], [10, 12], [1.0, 3.0]), "B": ([1], [11], [2.0])}


def test_zeros_as_the_library_leaves_them_out_keep_their_place_among_the_others() -> None:
    zero = LIBRARY["f144"].encode(LogValue(source_name="A", value=np.float64(0), timestamp_ns=11))

    (columns,) = decode_f144_columns([_number("A", 1, 10), zero, _number("A", 2, 12)]).columns

    assert (columns.row.tolist(), columns.value.tolist(), columns.timestamp_ns.tolist()) == ([0, 1, 2], [1.0, 0.0, 2.0], [10, 11, 12])


def test_arrays_and_what_is_no_f144_come_with_their_rows() -> None:
    array = encode_f144(LogValue(source_name="W", value=np.arange(3), timestamp_ns=1))

    batch = decode_f144_columns([b"", _number("A", 1, 10), array, b"not a message", VALID["ev44"], _number("A", 1, 10)[:-8]])

    assert [row for row, _ in batch.arrays] == [2]
    assert [row for row, _ in batch.rejected] == [0, 3, 4, 5]
    assert [columns.row.tolist() for columns in batch.columns] == [[1]]


@given(st.lists(VALUES["f144"], max_size=12), st.booleans())
def test_any_batch_of_f144_says_what_its_messages_say(values: list[LogValue], by_library: bool) -> None:
    encode = LIBRARY["f144"].encode if by_library else encode_f144
    batch = decode_f144_columns([encode(value) for value in values])

    found = dict(batch.arrays)
    for columns in batch.columns:
        for row, source, at, value in zip(columns.row, columns.source, columns.timestamp_ns.tolist(), columns.value, strict=True):
            found[int(row)] = LogValue(source_name=columns.source_names[source], value=value, timestamp_ns=at)
    assert batch.rejected == ()
    assert all(same(found[row], value) for row, value in enumerate(values))
    assert len(found) == len(values)


def test_a_batch_of_every_layout_is_read_in_columns_and_not_one_by_one() -> None:
    names = ["", "A", "AB", "ABC", "ABCD", "ABCDE", "ABCDEFG", "ABCDEFGH"]
    messages = [_number(name, 1, 5, dtype) for dtype in F144_TYPES for name in names]

    batch = decode_f144_columns(messages)

    assert sorted(columns.value.dtype.str[1:] for columns in batch.columns) == sorted(F144_TYPES)
    assert sum(len(columns.row) for columns in batch.columns) == len(messages)
    assert all(set(columns.source_names) == set(names) for columns in batch.columns)


def test_a_flood_of_names_does_not_stay_in_memory() -> None:
    for start in range(0, 3 * columns_f144.MAX_NAMES, 1_000):
        decode_f144_columns([_number(f"TB:{number}", 1, 5) for number in range(start, start + 1_000)])
    decode_f144_columns([_number("TB:" + "X" * 1_000_000, 1, 5)])

    assert len(columns_f144._known_names) <= columns_f144.MAX_NAMES
    assert max(map(len, columns_f144._known_names)) < 1_000


def test_a_batch_of_hostile_structures_is_read_in_time_proportional_to_its_length() -> None:
    """Each message has another structure, so that none is like another."""
    message = bytearray(_number("A", 1, 10))
    messages = []
    for number in range(5_000):
        message[36:40] = number.to_bytes(4, "little")
        messages.append(bytes(message))

    batch = decode_f144_columns(messages)

    assert len(batch.rejected) + sum(len(columns.row) for columns in batch.columns) == 5_000


@pytest.fixture(params=["few", "many"])
def in_either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have events read one by one, as a few messages are, and all at once."""
    if request.param == "many":
        monkeypatch.setattr(columns_ev44, "_MANY", 1)
        monkeypatch.setattr(columns_ev44, "_SHORT", 1 << 30)


either_way = pytest.mark.usefixtures("in_either_way")


@either_way
def test_events_come_end_to_end_by_source() -> None:
    batch = decode_ev44_columns([_events("det", 1, 3), _events("mon", 2, 1), _events("det", 3, 2)])

    detector, monitor = batch.columns
    assert (detector.source_name, detector.row.tolist(), detector.message_id.tolist()) == ("det", [0, 2], [1, 3])
    assert detector.event_count.tolist() == [3, 2]
    assert detector.time_of_flight_ns.tolist() == detector.pixel_id.tolist() == [100, 101, 102, 300, 301]
    assert detector.reference_time_ns.tolist() == [10, 30]
    assert (monitor.source_name, monitor.time_of_flight_ns.tolist()) == ("mon", [200])


@either_way
def test_the_first_event_of_a_pulse_is_counted_through_the_columns() -> None:
    messages = [_events("det", 1, 5, index=(0, 2)), _events("det", 2, 0, index=()), _events("det", 3, 4, index=(0, 1, 4))]

    (columns,) = decode_ev44_columns(messages).columns

    assert columns.reference_time_index.tolist() == [0, 2, 0, 1, 4]
    assert columns.event_index().tolist() == [0, 2, 5, 6, 9]


@either_way
def test_messages_without_pixel_ids_do_not_mix_with_those_that_have_them() -> None:
    batch = decode_ev44_columns([_events("mon", 1, 2, pixels=False), _events("mon", 2, 3), _events("mon", 3, 1, pixels=False)])

    without, having = batch.columns
    assert (without.row.tolist(), without.time_of_flight_ns.size, without.pixel_id.size) == ([0, 2], 3, 0)
    assert (having.row.tolist(), having.time_of_flight_ns.size, having.pixel_id.size) == ([1], 3, 3)


@either_way
def test_large_and_small_messages_are_joined_alike() -> None:
    (columns,) = decode_ev44_columns([_events("det", 0, 5_000), _events("det", 1, 3), _events("det", 2, 5_000)]).columns

    expected = np.concatenate([np.arange(5_000), np.arange(3) + 100, np.arange(5_000) + 200])
    assert np.array_equal(columns.time_of_flight_ns, expected)
    assert np.array_equal(columns.pixel_id, expected)


@either_way
def test_what_is_no_ev44_comes_with_its_row() -> None:
    payloads = [_events("det", 1, 3), *(payload for _, payload in HOSTILE if len(payload) < 1_000), _events("det", 2, 1)]

    batch = decode_ev44_columns(payloads)

    assert [row for row, _ in batch.rejected] + batch.columns[0].row.tolist() == [*range(1, len(payloads) - 1), 0, len(payloads) - 1]


def test_messages_of_every_layout_take_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["ABCDEFGH"[:size] for size in range(9)]
    scalars = [_number(name, 1, 5, dtype) for dtype in F144_TYPES for name in names]
    events = [_events(name, 1, count, pixels=pixels) for name in names for count in range(4) for pixels in (True, False)]

    assert all(len(message) >= SHORTEST and message[STRUCTURE] in SCALAR_LAYOUTS for message in scalars)
    assert all(locate(message) is not None for message in events)
    monkeypatch.setattr(columns_ev44, "_MANY", 1)
    assert columns_ev44._locate_all(events) is not None


def test_events_read_at_once_are_those_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    messages = [_events(name, i, i % 7, pixels=i % 3 > 0, index=(0,) * (i % 4)) for i in range(60) for name in ("a", "panel", "panel")]
    monkeypatch.setattr(columns_ev44, "_MANY", 1)
    at_once = decode_ev44_columns(messages)
    monkeypatch.setattr(columns_ev44, "_locate_all", lambda _buffers: None)
    singly = decode_ev44_columns(messages)

    assert len(at_once.columns) == len(singly.columns) == 4
    for ours, theirs in zip(at_once.columns, singly.columns, strict=True):
        assert all(np.array_equal(getattr(ours, f.name), getattr(theirs, f.name)) for f in fields(ours))


@either_way
@pytest.mark.parametrize("payload", [payload for name, payload in HOSTILE if payload[4:8] == b"ev44"], ids=lambda p: str(len(p)))
def test_one_hostile_message_leaves_the_others_as_they_are(payload: bytes) -> None:
    batch = decode_ev44_columns([_events("det", 1, 3), payload, _events("det", 2, 1)])

    assert [row for row, _ in batch.rejected] in ([1], [])
    (ours,) = (columns for columns in batch.columns if columns.source_name == "det")
    assert {0, 2} <= set(ours.row.tolist())
