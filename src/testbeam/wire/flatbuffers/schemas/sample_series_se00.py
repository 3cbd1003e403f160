"""The se00 message: samples of one source taken fast, with their times. Source: se00_data.fbs."""

from typing import Any, TypeVar

import numpy as np

from testbeam.errors import WireError
from testbeam.model.samples import SampleLocation, SampleSeries
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.codec.enums import member
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.codec.tables import Scalar, String, Table, Union, Vector

INTEGERS = ("<i1", "<u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8")  # union type 1 is the first

_S = TypeVar("_S", bound=SampleSeries)


def table(schema: str, dtypes: tuple[str, ...], time: str) -> Table:
    """Return the description of a schema that takes samples of these types; `time` is the letter of its times in `struct`."""
    members = {1 + i: Table("values", (Vector("values", 0, dtype),)) for i, dtype in enumerate(dtypes)}
    return Table(
        schema,
        (
            String("name", 0),
            Scalar("channel", 1, "i"),
            Scalar("packet_timestamp", 2, time),
            Scalar("time_delta", 3, "d", 0.0),
            Scalar("location", 4, "b"),
            Union("values", 6, members),
            Vector("timestamps", 7, "<i8" if time == "q" else "<u8"),
            Scalar("message_counter", 8, time),
        ),
        created="timestamps values name",
        added="name time_delta location message_counter channel packet_timestamp values values_type timestamps",
        omits_defaults=True,
    )


SE00 = table("se00", (*INTEGERS, "<f8", "<f4"), "q")


def decode_se00(buffer: bytes) -> SampleSeries:
    """Return the samples; the arrays are read-only views into the buffer.

    Raises:
        WireError: the buffer is not a valid se00, has no values, or not as many times as values.
    """
    return decode_series(SampleSeries, SE00, buffer)


def encode_se00(series: SampleSeries) -> bytes:
    """Return the message.

    Raises:
        WireError: se00 has no such type, there are not as many times as values, or a value does not fit its field.
    """
    return encode_series(SE00, series)


def decode_series(make: type[_S], schema: Table, buffer: bytes) -> _S:
    """Return the samples of a message of this schema; raise as `decode_se00`."""
    name, channel, timestamp_ns, delta_ns, location, typed, timestamps_ns, counter = read(buffer, schema)
    if typed is None:
        raise WireError(schema.name, "has no values")
    _, (values,) = typed
    _check_times(schema, values, timestamps_ns)
    return make(
        source_name=name,
        channel=channel,
        timestamp_ns=timestamp_ns,
        time_delta_ns=delta_ns,
        message_counter=counter,
        values=values,
        timestamps_ns=timestamps_ns,
        location=member(schema.name, SampleLocation, location),
    )


def encode_series(schema: Table, series: SampleSeries) -> bytes:
    """Return the message of this schema; raise as `encode_se00`."""
    _check_times(schema, series.values, series.timestamps_ns)
    return build(
        schema,
        (
            series.source_name,
            series.channel,
            series.timestamp_ns,
            series.time_delta_ns,
            series.location,
            _typed(schema, series.values),
            series.timestamps_ns if len(series.timestamps_ns) else None,
            series.message_counter,
        ),
    )


def _typed(schema: Table, values: Any) -> tuple[int, tuple[Any, ...]]:
    (union,) = (field for field in schema.fields if isinstance(field, Union))
    kinds = {np.dtype(field.dtype): kind for kind, one in union.members.items() for field in one.fields if isinstance(field, Vector)}
    kind = kinds.get(np.asarray(values).dtype.newbyteorder("<"))
    if kind is None:
        raise WireError(schema.name, f"{np.asarray(values).dtype} has no place in it; it takes {', '.join(map(str, kinds))}")
    return kind, (values,)


def _check_times(schema: Table, values: Any, timestamps_ns: Any) -> None:
    if len(timestamps_ns) not in (0, len(values)):
        raise WireError(schema.name, f"{len(values)} values have {len(timestamps_ns)} times; one each, or none at all")
