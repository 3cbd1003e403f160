"""Inputs: messages of a topic as portions of one stream each, with the time that places each message, or counted as dropped.

The time of an ev44 is its last reference time, of a da00 its last `reference_time` of 64 bits in its unit, else the message's own; without
any it is Kafka's. f144 and ad00 bear their own.
Source: docs/reference/contracts/livedata.md, "Schemas".
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import WireError
from testbeam.model.arrays import AreaImage, LabelledArray
from testbeam.model.columns import EventColumns
from testbeam.model.samples import LogValue
from testbeam.model.time import NS_PER_MS, NS_PER_S
from testbeam.services.livedata.workflows.seam import Data, EventData, LogSample
from testbeam.wire.flatbuffers.registry import DECODERS
from testbeam.wire.flatbuffers.schemas.columns_ev44 import decode_ev44_columns

MALFORMED = "malformed"
UNKNOWN_SCHEMA = "unknown schema"
UNKNOWN_UNIT = "reference_time in an unknown unit"
IGNORED = frozenset((b"al00", b"ep01"))  # alarms and connections lie beside the values of PVs
_NS_PER = {"ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": NS_PER_MS, "s": NS_PER_S}
_LARGE = 256 * 1024  # bytes: some 32,000 events

Add = Callable[[int, int], Data]


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Messages of one source, in order: `data(i, j)` is what messages i to j carry; each weighs as many as it has events, others one."""

    source: str
    rows: NDArray[np.intp]
    stamps_ns: NDArray[np.int64]
    data: Add
    weights: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A message that is none of ours to use, and why."""

    row: int
    reason: str
    detail: str


def portions(payloads: Sequence[bytes], kafka_ms: Sequence[int]) -> Iterator[Portion | Dropped]:
    """Yield the messages of a topic by source; each row is in one portion, or dropped, or ignored."""
    by_schema: dict[bytes, list[int]] = {}
    for row, payload in enumerate(payloads):
        by_schema.setdefault(payload[4:8], []).append(row)
    for schema, rows in by_schema.items():
        if schema == b"ev44":
            for stretch in _stretches(payloads, rows):
                yield from _events(payloads, stretch, kafka_ms)
        elif schema in _READERS:
            for row in rows:
                yield _one(_READERS[schema], payloads[row], row, kafka_ms[row])
        elif schema not in IGNORED:
            yield from (Dropped(row=row, reason=UNKNOWN_SCHEMA, detail=f"{schema!r}") for row in rows)


def _stretches(payloads: Sequence[bytes], rows: Sequence[int]) -> Iterator[list[int]]:
    """Yield rows to be put end to end; large messages stay alone, as copying their events costs more than handling one more portion."""
    together: list[int] = []
    for row in rows:
        if len(payloads[row]) < _LARGE:
            together.append(row)
            continue
        if together:
            yield together
            together = []
        yield [row]
    if together:
        yield together


def _events(payloads: Sequence[bytes], rows: Sequence[int], kafka_ms: Sequence[int]) -> Iterator[Portion | Dropped]:
    batch = decode_ev44_columns([payloads[row] for row in rows])
    of_batch = np.asarray(rows, np.intp)
    for columns in batch.columns:
        in_all = of_batch[columns.row]
        yield Portion(
            source=columns.source_name,
            rows=in_all,
            stamps_ns=_pulse_times(columns, in_all, kafka_ms),
            data=_event_data(columns),
            weights=columns.event_count,
        )
    for row, error in batch.rejected:
        yield Dropped(row=int(of_batch[row]), reason=MALFORMED, detail=str(error))


def _pulse_times(columns: EventColumns, rows: NDArray[np.intp], kafka_ms: Sequence[int]) -> NDArray[np.int64]:
    last = np.cumsum(columns.pulse_count) - 1
    if columns.pulse_count.all():
        return columns.reference_time_ns[last]
    times_ns = np.append(columns.reference_time_ns, 0)[last]
    without = columns.pulse_count == 0
    times_ns[without] = np.array([kafka_ms[row] for row in rows[without]], np.int64) * NS_PER_MS
    return times_ns


def _event_data(columns: EventColumns) -> Add:
    if len(columns.row) == 1:
        whole = EventData(pixel_id=columns.pixel_id, time_of_flight_ns=columns.time_of_flight_ns)
        return lambda _i, _j: whole
    ends = np.concatenate(([0], np.cumsum(columns.event_count)))
    has_pixels = len(columns.pixel_id) == len(columns.time_of_flight_ns)

    def part(i: int, j: int) -> EventData:
        stretch = slice(int(ends[i]), int(ends[j]))
        pixel_id = columns.pixel_id[stretch] if has_pixels else columns.pixel_id
        return EventData(pixel_id=pixel_id, time_of_flight_ns=columns.time_of_flight_ns[stretch])

    return part


def _one(read: Callable[[bytes, int], tuple[str, int, Data]], payload: bytes, row: int, kafka_ms: int) -> Portion | Dropped:
    try:
        source, stamp_ns, data = read(payload, kafka_ms)
    except WireError as error:
        reason = UNKNOWN_UNIT if isinstance(error, _UnknownUnit) else MALFORMED
        return Dropped(row=row, reason=reason, detail=str(error))
    return Portion(
        source=source,
        rows=np.array([row], np.intp),
        stamps_ns=np.array([stamp_ns], np.int64),
        data=lambda _i, _j: data,
        weights=np.ones(1, np.int64),
    )


class _UnknownUnit(WireError):
    pass


def _read_array(payload: bytes, kafka_ms: int) -> tuple[str, int, Data]:
    array: LabelledArray = DECODERS["da00"](payload)
    return array.source_name, _time_of(array) or kafka_ms * NS_PER_MS, array


def _time_of(array: LabelledArray) -> int:
    reference = array.variable("reference_time")
    if reference is None or isinstance(reference.data, str) or reference.data.dtype != np.int64 or not reference.data.size:
        return array.timestamp_ns  # fewer bits wrap within seconds
    scale = _NS_PER.get(reference.unit or "ns")
    if scale is None:
        raise _UnknownUnit("da00", f"reference_time is in {reference.unit!r}; known are {', '.join(_NS_PER)}")
    stamp_ns = int(reference.data.reshape(-1)[-1]) * scale
    if not -(2**63) <= stamp_ns < 2**63:
        raise WireError("da00", f"reference_time {stamp_ns} ns is beyond 64 bits")
    return stamp_ns


def _read_image(payload: bytes, kafka_ms: int) -> tuple[str, int, Data]:
    image: AreaImage = DECODERS["ad00"](payload)
    return image.source_name, image.timestamp_ns or kafka_ms * NS_PER_MS, image


def _read_value(payload: bytes, kafka_ms: int) -> tuple[str, int, Data]:
    value: LogValue = DECODERS["f144"](payload)
    stamp_ns = value.timestamp_ns or kafka_ms * NS_PER_MS
    return value.source_name, stamp_ns, LogSample(timestamp_ns=stamp_ns, value=value.value)


_READERS: dict[bytes, Callable[[bytes, int], tuple[str, int, Any]]] = {b"da00": _read_array, b"ad00": _read_image, b"f144": _read_value}
