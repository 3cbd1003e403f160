"""What a batch of raw messages of one schema carries: sources, payload times and rows for the writer modules."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import WireError
from testbeam.model.columns import EventColumns, LogColumns
from testbeam.services.filewriter.events import in_order
from testbeam.services.filewriter.rows import EventRows, LogRows, ObjectRows, Rows
from testbeam.services.filewriter.window import TimesNs
from testbeam.wire.flatbuffers.registry import DECODERS
from testbeam.wire.flatbuffers.schemas.columns_ev44 import decode_ev44_columns
from testbeam.wire.flatbuffers.schemas.columns_f144 import decode_f144_columns

_OBJECT_BYTES = 500  # what a Python value and the message behind it take besides their arrays


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Messages of one schema and one shape ("array": f144 with an array), those of each source in the order they came.

    source: the place of each message's source in `source_names`; nbytes: what the rows keep in memory.
    """

    shape: str = ""
    source_names: Sequence[str]
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
    return _DECODERS[schema](buffers)


def verified(schema: bytes, buffers: Sequence[bytes]) -> tuple[list[Any], int, str]:
    """Return the values of the valid messages, how many are not, and what was wrong with the last of those."""
    values, problem = [], ""
    decoder = DECODERS[schema.decode()]
    for buffer in buffers:
        try:
            values.append(decoder(buffer))
        except WireError as error:
            problem = str(error)
    return values, len(buffers) - len(values), problem


def is_known(schema: bytes) -> bool:
    """Tell whether there is such a schema, whoever uses it."""
    return schema.decode("latin-1") in DECODERS


def _decode_objects(schema: bytes) -> _Decoder:
    def decode_all(buffers: Sequence[bytes]) -> Decoded:
        values, failed, problem = verified(schema, buffers)
        return Decoded(batches=[_object_batch(values, values)] if values else [], failed=failed, problem=problem)

    return decode_all


def _decode_logs(buffers: Sequence[bytes]) -> Decoded:
    decoded = decode_f144_columns(buffers)
    batches = [_scalars(decoded.columns)] if decoded.columns else []
    if decoded.arrays:
        logs = [log for _row, log in decoded.arrays]
        batches.append(_object_batch(logs, [log.value for log in logs], "array"))
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
    rows = LogRows.join([LogRows.of(column.value) for column in columns])
    if len(columns) > 1:
        order = np.argsort(np.concatenate([column.row for column in columns]), kind="stable")
        source, times, rows = source[order], times[order], rows.select(order)
    return Batch(source_names=names, source=source, times_ns=times, rows=rows, nbytes=21 * len(times))


def _object_batch(values: Sequence[Any], rows: Sequence[Any], shape: str = "") -> Batch:
    places = {name: place for place, name in enumerate(dict.fromkeys(value.source_name for value in values))}
    return Batch(
        shape=shape,
        source_names=list(places),
        source=np.array([places[value.source_name] for value in values], np.intp),
        times_ns=np.array([value.timestamp_ns for value in values], np.int64),
        rows=ObjectRows.of(rows),
        nbytes=_OBJECT_BYTES * len(values) + sum(getattr(row, "nbytes", 0) for row in rows),
    )


def _events(columns: EventColumns) -> Batch:
    """Return the messages of one source; their time is that of their first pulse, 0 for a message without pulses."""
    times = np.zeros(len(columns.row), np.int64)
    with_pulses = columns.pulse_count > 0
    first_pulses = np.cumsum(columns.pulse_count) - columns.pulse_count
    times[with_pulses] = columns.reference_time_ns[first_pulses[with_pulses]]
    return Batch(
        source_names=[columns.source_name],
        source=np.zeros(len(times), np.intp),
        times_ns=times,
        rows=EventRows(columns),
        nbytes=columns.time_of_flight_ns.nbytes + columns.pixel_id.nbytes + 64 * len(times),
    )


def _last(rejected: Sequence[tuple[int, WireError]]) -> str:
    return str(rejected[-1][1]) if rejected else ""


_DECODERS: dict[bytes, _Decoder] = {
    b"f144": _decode_logs,
    b"al00": _decode_objects(b"al00"),
    b"ep01": _decode_objects(b"ep01"),
    b"ev44": _decode_events,
}
