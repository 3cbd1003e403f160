"""Records of Channel Access updates, as libca's call-backs leave them for the one thread that reads them.

`ring.c` writes them in native code, `callbacks.py` by ctypes; whoever reads can't tell which. Source: db_access.h of EPICS base 7.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from testbeam.model.time import EPICS_EPOCH_S, NS_PER_S
from testbeam.model.updates import Form, ValueColumns
from testbeam.wire.channel_access.values import STRING_BYTES, FieldType


class Kind(IntEnum):
    """What a record says of its PV."""

    VALUE = 0  # a scalar, in `payload`
    BLOB = 1  # an array or a string, whose bytes are elsewhere
    CONNECTED = 2  # `size` is its number of elements
    DISCONNECTED = 3
    UNITS = 4  # text, in `payload`
    FAILED = 5  # `size` is libca's status
    EXCEPTION = 6  # of no PV; `size` is libca's status


RECORD = np.dtype(
    [
        ("stream", "<u4"),
        ("kind", "u1"),
        ("type", "u1"),
        ("status", "<i2"),
        ("severity", "<i2"),
        ("is_array", "<u2"),
        ("seconds", "<u4"),
        ("nanoseconds", "<u4"),
        ("size", "<u4"),
        ("payload", "<u8"),
    ]
)
DTYPES = {
    FieldType.STRING: f"S{STRING_BYTES}",
    FieldType.SHORT: "i2",
    FieldType.FLOAT: "f4",
    FieldType.ENUM: "u2",
    FieldType.CHAR: "u1",
    FieldType.LONG: "i4",
    FieldType.DOUBLE: "f8",
}
# Where a value begins in struct dbr_time_*.
OFFSETS = {
    FieldType.STRING: 12,
    FieldType.SHORT: 14,
    FieldType.FLOAT: 12,
    FieldType.ENUM: 14,
    FieldType.CHAR: 15,
    FieldType.LONG: 12,
    FieldType.DOUBLE: 16,
}

Records = NDArray[np.void]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What was taken at once: `records` (n,) RECORD in the order of their arrival, the bytes of its BLOBs, and how many found no room."""

    records: Records
    blobs: tuple[bytes, ...]
    dropped: int = 0


class Receiver(Protocol):
    """Receives updates of PVs; all is called by one thread, attached to libca's context."""

    name: str

    def open(self, stream: int, channel: str, *, units: bool) -> Any:
        """Subscribe to a PV, with its units where they are asked for; return a handle, or None with the reason in `status`."""

    @property
    def status(self) -> int:
        """Return libca's status of the last `open`."""

    def close(self, handle: Any) -> None:
        """End a subscription; a record of it may still be among those taken next."""

    def take(self) -> Taken:
        """Return all records since the last call."""

    def wake(self, file: int) -> None:
        """Have the pipe `file` written to, once, when the next record comes, or now if one is there."""

    def any_missed(self) -> bool:
        """Tell, once, whether `has_missed` may be true of any PV."""

    def has_missed(self, handle: Any) -> bool:
        """Tell, once, whether the newest value of a PV found no room: opening it anew brings the value of then."""

    def free(self) -> None:
        """Give memory back, after libca's context has ended."""


def times_ns(records: Records) -> NDArray[np.int64]:
    """Return the EPICS times, (n,) int64 ns since 1970."""
    times: NDArray[np.int64] = (records["seconds"].astype(np.int64) + EPICS_EPOCH_S) * NS_PER_S + records["nanoseconds"]
    return times


def value_columns(taken: Taken, times: NDArray[np.int64]) -> list[ValueColumns]:
    """Return the values, by form and type; `times` (n,) int64 ns are those of all records."""
    records = taken.records
    kinds, types = records["kind"], records["type"]
    scalars, blobs = kinds == Kind.VALUE, kinds == Kind.BLOB
    found = [
        _scalars(records, times, FieldType(one), scalars & (types == one)) for one in np.flatnonzero(np.bincount(types[scalars])).tolist()
    ]
    if blobs.any():
        found += _arrays(records[blobs], times[blobs], taken.blobs)
    return found


def units_text(payload: int) -> str:
    """Return the unit in a UNITS record."""
    return int(payload).to_bytes(8, "little").partition(b"\0")[0].decode(errors="replace")


def _scalars(records: Records, times: NDArray[np.int64], kind: FieldType, which: NDArray[np.bool_]) -> ValueColumns:
    chosen, times = (records, times) if which.all() else (records[which], times[which])
    dtype = np.dtype(DTYPES[kind])
    raw = np.ascontiguousarray(chosen["payload"])
    form = Form.ENUM if kind is FieldType.ENUM else Form.SCALAR
    value = raw.view(dtype)[:: 8 // dtype.itemsize]
    return ValueColumns(form=form, dtype=DTYPES[kind], stream=chosen["stream"], value=value, timestamp_ns=times)


def _arrays(records: Records, times: NDArray[np.int64], blobs: tuple[bytes, ...]) -> list[ValueColumns]:
    """Return the arrays and strings, by form and type."""
    groups: dict[tuple[Form, str], tuple[list[int], list[Any], list[int]]] = {}
    columns = (records[name].tolist() for name in ("stream", "type", "is_array"))
    for stream, kind, is_array, time_ns, raw in zip(*columns, times.tolist(), blobs, strict=True):
        form, dtype, value = _array(FieldType(kind), bool(is_array), raw)
        streams, values, all_times = groups.setdefault((form, dtype), ([], [], []))
        streams.append(stream)
        values.append(value)
        all_times.append(time_ns)
    return [
        ValueColumns(form=form, dtype=dtype, stream=streams, value=values, timestamp_ns=all_times)
        for (form, dtype), (streams, values, all_times) in groups.items()
    ]


def _array(kind: FieldType, is_array: bool, raw: bytes) -> tuple[Form, str, Any]:
    if kind is not FieldType.STRING:
        return Form.ARRAY, DTYPES[kind], np.frombuffer(raw, DTYPES[kind])
    texts = [_text(raw[at : at + STRING_BYTES]) for at in range(0, len(raw), STRING_BYTES)]
    return (Form.ARRAY, "U", texts) if is_array else (Form.SCALAR, "U", texts[0])


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode(errors="replace")
