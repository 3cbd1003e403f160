"""How do updates get from libca's threads to the next batch? By lanes: one for each type, where a call-back leaves the raw bytes.

The call-back holds up libca and wants the interpreter's lock, so it only copies; whole lanes are then read at once by numpy.
Source: db_access.h of EPICS base 7, `struct dbr_time_*`.
"""

import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.model.updates import Form, ValueColumns
from testbeam.transport.ca.libca import NORMAL, EventArgs, EventHandler
from testbeam.wire.channel_access.names import alarm_status
from testbeam.wire.channel_access.values import STRING_BYTES, FieldType

MOST_WAITING = 500_000  # rows in a lane; beyond, only the newest of each PV is kept

_EPOCH_S = 631_152_000  # 1990-01-01 after 1970-01-01
_NS = 1_000_000_000
_HEAD = np.dtype([("status", "<i2"), ("severity", "<i2"), ("s", "<u4"), ("ns", "<u4")])
_ELEMENTS = {
    FieldType.STRING: (f"S{STRING_BYTES}", 12),
    FieldType.SHORT: ("i2", 14),
    FieldType.FLOAT: ("f4", 12),
    FieldType.ENUM: ("u2", 14),
    FieldType.CHAR: ("u1", 15),
    FieldType.LONG: ("i4", 12),
    FieldType.DOUBLE: ("f8", 16),
}  # type of an element, offset of the first in the struct


@dataclass(slots=True)
class Waiting:
    """Raw updates that came since the last look; threads of libca add, one other thread takes."""

    most: int = MOST_WAITING
    rows: list[tuple[int, bytes]] = field(default_factory=list)
    newest: dict[int, bytes] = field(default_factory=dict)
    dropped: int = 0
    _full: threading.Lock = field(default_factory=threading.Lock)

    def add(self, stream: int, raw: bytes) -> None:
        """Add an update; where the lane is full it stands in for the one before."""
        if not self.newest and len(self.rows) < self.most:
            self.rows.append((stream, raw))
            return
        with self._full:
            self.dropped += stream in self.newest
            self.newest[stream] = raw

    def take(self) -> tuple[list[tuple[int, bytes]], int]:
        """Return the rows in the order of their arrival, and how many were dropped among them."""
        n = len(self.rows)
        rows = self.rows[:n]
        del self.rows[:n]
        if not self.newest:
            return rows, 0
        with self._full:
            rows.extend(self.rows)  # came between the two looks, and before those in `newest`
            rows.extend(self.newest.items())
            dropped = self.dropped
            self.rows.clear()
            self.newest.clear()
            self.dropped = 0
        return rows, dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Updates of one type, scalars or arrays; `handler` is what libca calls."""

    kind: FieldType
    is_array: bool
    waiting: Waiting
    handler: Any

    @property
    def form(self) -> Form:
        """Return what the values are."""
        if self.is_array:
            return Form.ARRAY
        return Form.ENUM if self.kind is FieldType.ENUM else Form.SCALAR

    def take(self) -> "tuple[Rows, int] | None":
        """Return all rows, decoded, and how many were dropped; None if there are none."""
        raw, dropped = self.waiting.take()
        if not raw:
            return None
        dtype, offset = _ELEMENTS[self.kind]
        streams = [stream for stream, _ in raw]
        blobs = [blob for _, blob in raw]
        if self.is_array:
            heads = np.frombuffer(b"".join(blob[: _HEAD.itemsize] for blob in blobs), _HEAD)
            values: Any = [np.frombuffer(blob, dtype, offset=offset) for blob in blobs]
            values = [[_text(raw) for raw in value.tolist()] for value in values] if self.kind is FieldType.STRING else values
        else:
            table = np.frombuffer(b"".join(blobs), _row_type(dtype, offset))
            heads, values = table["head"], table["value"]
            values = [_text(raw) for raw in values.tolist()] if self.kind is FieldType.STRING else values
        times = (heads["s"].astype(np.int64) + _EPOCH_S) * _NS + heads["ns"]
        name = "U" if self.kind is FieldType.STRING else dtype
        columns = ValueColumns(form=self.form, dtype=name, stream=streams, value=values, timestamp_ns=times)
        return Rows(columns=columns, severity=heads["severity"], status=heads["status"]), dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Decoded updates with the alarm of each."""

    columns: ValueColumns
    severity: NDArray[np.int16]
    status: NDArray[np.int16]

    def alarms(self) -> list[tuple[int, int, int, int]]:
        """Return (stream, timestamp_ns, severity, status) of each row."""
        times: Any = self.columns.timestamp_ns
        return list(zip(self.columns.stream, times.tolist(), self.severity.tolist(), self.status.tolist(), strict=True))


def make_lane(kind: FieldType, is_array: bool, refused: Callable[[int, int], None]) -> Lane:
    """Return a lane; `refused(stream, status)` is called, from a thread of libca, for an update that carries an error."""
    waiting = Waiting()
    dtype, offset = _ELEMENTS[kind]
    size = np.dtype(dtype).itemsize
    add, copy = waiting.add, ctypes.string_at

    def scalar(args: EventArgs) -> None:
        if args.status == NORMAL:
            add(args.usr, copy(args.dbr, offset + size))
        else:
            refused(args.usr, args.status)

    def array(args: EventArgs) -> None:
        if args.status == NORMAL:
            add(args.usr, copy(args.dbr, offset + size * args.count))
        else:
            refused(args.usr, args.status)

    return Lane(kind=kind, is_array=is_array, waiting=waiting, handler=EventHandler(array if is_array else scalar))


def alarm_words(severity: int, status: int) -> tuple[int, str]:
    """Return an alarm as al00 has it: EPICS' severity, and the name of the status as the message."""
    return severity, alarm_status(status)


def _row_type(dtype: str, offset: int) -> np.dtype[Any]:
    size = offset + np.dtype(dtype).itemsize
    return np.dtype({"names": ["head", "value"], "formats": [_HEAD, dtype], "offsets": [0, offset], "itemsize": size})


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode(errors="replace")
