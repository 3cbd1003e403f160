"""Both directions against ess-streaming-data-types: what it writes we read, what we write it reads, and the bytes are the same."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from testbeam.model import forwarding, runs, samples
from testbeam.wire.flatbuffers.registry import DECODERS, ENCODERS, decode, schema_id
from tests.unit.wire.library import LIBRARY
from tests.unit.wire.values import F144_TYPES, GOLDEN, GOLDEN_FOLDER, VALUES, same

thorough = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
every_schema = pytest.mark.parametrize("schema", sorted(LIBRARY))


def test_every_codec_is_held_against_the_library() -> None:
    assert set(ENCODERS) == set(DECODERS) == set(LIBRARY) == set(GOLDEN) == set(VALUES)


@every_schema
def test_a_golden_message_is_what_the_library_still_writes(schema: str) -> None:
    assert (GOLDEN_FOLDER / f"{schema}.bin").read_bytes() == LIBRARY[schema].encode(GOLDEN[schema])


@every_schema
def test_a_golden_message_reads_as_its_value(schema: str) -> None:
    message = (GOLDEN_FOLDER / f"{schema}.bin").read_bytes()

    assert schema_id(message) == schema
    assert same(decode(message), GOLDEN[schema])


@every_schema
def test_a_golden_value_is_written_as_the_library_writes_it(schema: str) -> None:
    message = (GOLDEN_FOLDER / f"{schema}.bin").read_bytes()

    if schema == "fc00":  # the library makes all names of all streams before the first stream: other places, the same values
        assert same(LIBRARY[schema].decode(ENCODERS[schema](GOLDEN[schema])), GOLDEN[schema])
    else:
        assert ENCODERS[schema](GOLDEN[schema]) == message


@every_schema
@given(data=st.data())
@thorough
def test_what_one_side_writes_both_read_and_the_bytes_are_the_same(schema: str, data: Any) -> None:
    value = data.draw(VALUES[schema])
    ours, theirs = ENCODERS[schema](value), LIBRARY[schema].encode(value)

    assert same(DECODERS[schema](theirs), value)
    assert same(decode(ours), value)
    exact = schema not in ("ADAr", "ad00", "da00", "f142", "f144", "se00")  # of those the library reads a scalar as a Python number
    assert same(LIBRARY[schema].decode(ours), value, dtypes=exact)
    assert ours == theirs or not _is_written_alike(value)


def _is_written_alike(value: Any) -> bool:
    if isinstance(value, samples.LogValue):  # the library leaves out zeros
        return value.timestamp_ns != 0 and (bool(value.value.ndim) or value.value.item() != 0)
    return not isinstance(value, forwarding.ForwarderCommand) or len(value.streams) < 2


@pytest.mark.parametrize("name", F144_TYPES)
def test_every_number_type_reaches_its_limits(name: str) -> None:
    dtype = np.dtype(name)
    limits = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    for limit in (limits.min, limits.max, dtype.type(0)):
        value = samples.LogValue(source_name="TB:X", value=dtype.type(limit), timestamp_ns=1)
        array = samples.LogValue(source_name="TB:X", value=np.array([limit, limit], dtype), timestamp_ns=1)

        assert same(decode(ENCODERS["f144"](value)), value)
        assert same(decode(LIBRARY["f144"].encode(value)), value)
        assert same(decode(ENCODERS["f144"](array)), array)


def test_fields_that_are_missing_read_as_their_defaults() -> None:
    empty = b"".join((b"\x0c\0\0\0", b"%s", b"\x04\0\x04\0", b"\x04\0\0\0"))
    nothing = np.empty(0, np.int32)

    assert decode(empty % b"al00") == samples.Alarm(source_name="", timestamp_ns=0, severity=samples.Severity.OK, message="")
    assert decode(empty % b"pl72") == runs.RunStart(job_id="", filename="", nexus_structure="", n_periods=1)
    assert decode(empty % b"fc00") == forwarding.ForwarderCommand(change=forwarding.ConfigChange.ADD)
    assert same(
        decode(empty % b"ev44"),
        samples.Events(
            source_name="",
            message_id=0,
            reference_time_ns=nothing.astype(np.int64),
            reference_time_index=nothing,
            time_of_flight_ns=nothing,
            pixel_id=nothing,
        ),
    )
