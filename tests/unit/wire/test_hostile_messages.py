"""No byte string may raise anything but WireError, reach outside the buffer, or take more time or memory than its size justifies."""

import dataclasses
import os
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import pytest

from testbeam.clients.waiting import subtest
from testbeam.errors import WireError
from testbeam.model.columns import EventColumns
from testbeam.model.samples import Events, LogValue
from testbeam.wire.flatbuffers.registry import DECODERS, ENCODERS, decode
from testbeam.wire.flatbuffers.schemas import events_ev44, labelled_array_da00, log_value_f144, plain_da00
from testbeam.wire.flatbuffers.schemas.columns_ev44 import decode_ev44_columns
from testbeam.wire.flatbuffers.schemas.columns_f144 import decode_f144_columns
from tests.hostile.corpus import HOSTILE, HOSTILE_BY_KIND, VALID, corruptions
from tests.hostile.structures import Case
from tests.unit.wire.values import GOLDEN, same

CORRUPTIONS = 10_000 if os.environ.get("TESTBEAM_SOAK") == "1" else 1_000
BYTES_PER_BYTE = 40  # a stream of nothing but defaults is 8 bytes on the wire and some 200 in memory
SMALL_CHANGE = 20_000  # layouts that are compiled, error messages


def _batches(schema: str) -> list[list[bytes]]:
    """Return the hostile messages, and corruptions of a valid one in every layout: names and arrays of several lengths."""
    golden = GOLDEN[schema]
    change = {
        "f144": ("value", (np.int8(-7), np.float32(0.5), np.float64(2))),
        "ev44": ("pixel_id", (np.empty(0, np.int32), np.arange(5, dtype=np.int32))),
    }
    valid = [VALID[schema]]
    field, values = change.get(schema, ("timestamp_ns", (1,)))
    valid += [ENCODERS[schema](replace(golden, source_name=name, **{field: value})) for name in ("", "ABC", "ABCD") for value in values]
    batches = [[message, *corruptions(message, seed=seed, n=CORRUPTIONS // 4), message] for seed, message in enumerate(valid)]
    return [[payload for _, payload in HOSTILE if len(payload) < 10_000], *batches]


every_schema = pytest.mark.parametrize("schema", sorted(VALID))


def test_the_corpus_has_a_valid_message_of_every_schema() -> None:
    assert set(VALID) == set(DECODERS)


def test_the_cases_of_the_corpus_have_names_of_their_own() -> None:
    assert len({name for name, _ in HOSTILE}) == len(HOSTILE)


@pytest.mark.parametrize("cases", HOSTILE_BY_KIND.values(), ids=HOSTILE_BY_KIND)
def test_a_hostile_message_is_a_wire_error(cases: list[Case]) -> None:
    for name, payload in cases:
        started_s = time.process_time()
        with subtest(name), pytest.raises(WireError):
            decode(payload)
        assert time.process_time() - started_s < 0.5, name


def test_hostile_messages_take_little_more_memory_than_they_have_bytes() -> None:
    # twice: the bytes of a name, and its text
    greedy = {name: used for name, payload in HOSTILE if (used := _memory_used(payload)) > 2 * len(payload) + SMALL_CHANGE}

    assert greedy == {}


@every_schema
def test_a_message_cut_anywhere_is_a_wire_error_or_whole(schema: str) -> None:
    message = VALID[schema]
    for size in range(len(message)):
        outcome = _outcome(message[:size])
        assert isinstance(outcome, WireError) or size > len(message) - 8, f"cut to {size} bytes: {outcome}"  # padding at the end


@every_schema
def test_a_corrupted_message_is_a_wire_error_or_a_value_from_inside_the_buffer(schema: str) -> None:
    rejected = 0
    for payload in corruptions(VALID[schema], seed=20_26, n=CORRUPTIONS):
        outcome = _outcome(payload)
        if isinstance(outcome, WireError):
            rejected += 1
        else:
            assert all(_is_inside(array, payload) for array in _arrays(outcome))

    assert CORRUPTIONS * 0.3 < rejected < CORRUPTIONS


@every_schema
def test_a_corrupted_message_takes_no_more_memory_than_its_size_justifies(schema: str) -> None:
    payloads = list(corruptions(VALID[schema], seed=7, n=CORRUPTIONS // 4))
    for payload in payloads:
        _outcome(payload)  # what is loaded or learned with the first of a kind is not counted

    worst = max(_memory_used(payload) - BYTES_PER_BYTE * len(payload) for payload in payloads)

    assert worst < SMALL_CHANGE


@every_schema
def test_corrupted_messages_are_read_at_the_speed_of_valid_ones(schema: str) -> None:
    payloads = list(corruptions(VALID[schema], seed=8, n=CORRUPTIONS))
    started_s = time.process_time()

    for payload in payloads:
        _outcome(payload)

    assert (time.process_time() - started_s) / CORRUPTIONS < 5 * 100e-6


def test_the_fast_reader_of_f144_agrees_with_the_table_driven_one() -> None:
    for payload in chain(*_batches("f144")):
        assert _agree(_outcome_of(log_value_f144.decode_f144, payload), _outcome_of(log_value_f144._decode_any, payload)), payload.hex()


def test_the_fast_reader_of_da00_agrees_with_the_table_driven_one() -> None:
    for payload in chain(*_batches("da00")):
        for _ in range(2):  # once learned it is read by its layout
            assert _agree(_outcome_of(labelled_array_da00.decode_da00, payload), _outcome_of(plain_da00.read_da00, payload)), payload.hex()


def test_the_fast_reader_of_ev44_agrees_with_the_table_driven_one() -> None:
    for payload in chain(*_batches("ev44")):
        assert _agree(_outcome_of(events_ev44.decode_ev44, payload), _outcome_of(events_ev44._decode_any, payload)), payload.hex()


@pytest.mark.parametrize("payloads", _batches("f144"))
def test_a_batch_of_f144_holds_what_each_message_holds(payloads: list[bytes]) -> None:
    batch = decode_f144_columns(payloads)

    found: dict[int, Any] = dict(batch.arrays) | dict(batch.rejected)
    for columns in batch.columns:
        for row, source, timestamp_ns, value in zip(columns.row, columns.source, columns.timestamp_ns, columns.value, strict=True):
            name = columns.source_names[source]
            found[int(row)] = LogValue(source_name=name, value=value, timestamp_ns=int(timestamp_ns))
    assert sorted(found) == list(range(len(payloads)))
    assert all(_agree(found[row], _outcome_of(log_value_f144.decode_f144, payload)) for row, payload in enumerate(payloads))


@pytest.mark.parametrize("payloads", _batches("ev44"))
def test_a_batch_of_ev44_holds_what_each_message_holds(payloads: list[bytes]) -> None:
    batch = decode_ev44_columns(payloads)

    found: dict[int, Any] = dict(batch.rejected)
    for columns in batch.columns:
        found |= _messages(columns)
    assert sorted(found) == list(range(len(payloads)))
    assert all(_agree(found[row], _outcome_of(events_ev44.decode_ev44, payload)) for row, payload in enumerate(payloads))


def _outcome(payload: bytes) -> Any:
    return _outcome_of(decode, payload)


def _outcome_of(read: Any, payload: bytes) -> Any:
    try:
        return read(payload)
    except WireError as error:
        return error


def _agree(left: Any, right: Any) -> bool:
    return isinstance(left, WireError) and isinstance(right, WireError) if isinstance(right, WireError) else same(left, right)


def _memory_used(payload: bytes) -> int:
    tracemalloc.start()
    try:
        outcome = _outcome(payload)
        del outcome
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _arrays(value: Any) -> Iterator[np.ndarray[Any, Any]]:
    """Yield the arrays of a value that are views; empty ones have no place."""
    if isinstance(value, np.ndarray):
        if value.size:
            yield value
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _arrays(getattr(value, field.name))


def _is_inside(array: np.ndarray[Any, Any], buffer: bytes) -> bool:
    low, high = np.lib.array_utils.byte_bounds(array)
    start, end = np.lib.array_utils.byte_bounds(np.frombuffer(buffer, np.uint8))
    return start <= low <= high <= end and not array.flags.writeable


def _messages(columns: EventColumns) -> dict[int, Events]:
    pulses, events = np.cumsum(columns.pulse_count)[:-1], np.cumsum(columns.event_count)[:-1]
    pixels = np.split(columns.pixel_id, events) if columns.pixel_id.size else [columns.pixel_id] * len(columns.row)
    return {
        int(row): Events(
            source_name=columns.source_name,
            message_id=int(message_id),
            reference_time_ns=times,
            reference_time_index=index,
            time_of_flight_ns=time_of_flight,
            pixel_id=pixel_id,
        )
        for row, message_id, times, index, time_of_flight, pixel_id in zip(
            columns.row,
            columns.message_id,
            np.split(columns.reference_time_ns, pulses),
            np.split(columns.reference_time_index, pulses),
            np.split(columns.time_of_flight_ns, events),
            pixels,
            strict=True,
        )
    }
