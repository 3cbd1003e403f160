"""Many f144 messages read at once: their structure is compared as columns of a matrix, their names by look-up.

Only the layouts of `log_value_f144` are read this way; every other message goes through `decode_f144`, which has the last word.
"""

from collections.abc import Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import WireError
from testbeam.model.columns import LogBatch, LogColumns
from testbeam.model.samples import LogValue
from testbeam.wire.flatbuffers.schemas.log_value_f144 import SCALAR_LAYOUTS, SCALAR_TYPES, STRUCTURE, ScalarLayout, decode_f144

_HEAD = 64  # bytes that hold everything but the name, in every layout
_STRUCTURE_WORDS = (0, 1, 2, 4, 5, 6)  # of the head as int64; word 3 is the time, word 7 has the value
_MAX_LAYOUTS = 32  # more than there are: a batch of hostile structures is read one by one from there on
MAX_NAMES = 16_384  # kept; only a hostile topic has that many sources
_MAX_NAME = 512  # bytes of a name that is kept


class _Part(NamedTuple):
    """Messages of one dtype, not yet in the order of their rows."""

    rows: NDArray[np.intp]
    names: list[str]
    timestamp_ns: NDArray[np.int64]
    value: NDArray[Any]


class _Reading:
    """One batch on its way into columns."""

    def __init__(self, buffers: Sequence[bytes]) -> None:
        self.buffers = buffers
        self.parts: dict[np.dtype[Any], list[_Part]] = {}
        self.arrays: list[tuple[int, LogValue]] = []
        self.rejected: list[tuple[int, WireError]] = []

    def read_alike(self, layout: ScalarLayout, rows: NDArray[np.intp], heads: NDArray[np.uint8]) -> None:
        """Take messages which have the structure of a layout; only their names are still to be checked."""
        name_at = layout.name_at - 4
        names, valid = _names([self.buffers[i][name_at:] for i in rows.tolist()])
        if valid is not None:
            self.read_singly(rows[~valid])
            rows, heads = rows[valid], heads[valid]
        dtype = SCALAR_TYPES[layout.kind - 1]
        value = heads[:, layout.value_at : layout.value_at + dtype.itemsize].copy().view(dtype).ravel()
        self.parts.setdefault(dtype, []).append(_Part(rows, names, heads[:, 24:32].copy().view(np.int64).ravel(), value))

    def read_singly(self, rows: NDArray[np.intp]) -> None:
        for row in rows.tolist():
            try:
                log_value = decode_f144(self.buffers[row])
            except WireError as error:
                self.rejected.append((row, error))
                continue
            value = log_value.value
            if value.ndim:
                self.arrays.append((row, log_value))
            else:
                at = np.array([log_value.timestamp_ns], np.int64)
                part = _Part(np.array([row], np.intp), [log_value.source_name], at, np.array([value]))
                self.parts.setdefault(value.dtype, []).append(part)

    def batch(self) -> LogBatch:
        columns = tuple(_columns(parts) for parts in self.parts.values())
        return LogBatch(columns=columns, arrays=tuple(self.arrays), rejected=tuple(sorted(self.rejected, key=lambda r: r[0])))


def decode_f144_columns(buffers: Sequence[bytes]) -> LogBatch:
    """Return a batch of messages as columns; every row is in a column, among the arrays, or rejected with its WireError."""
    reading = _Reading(buffers)
    rows = np.arange(len(buffers), dtype=np.intp)
    raw = b"".join([buffer[:_HEAD] for buffer in buffers])
    if len(raw) < _HEAD * len(buffers):
        long_enough = np.fromiter((len(buffer) >= _HEAD for buffer in buffers), np.bool_, len(buffers))
        reading.read_singly(rows[~long_enough])
        rows = rows[long_enough]
        raw = b"".join([buffers[i][:_HEAD] for i in rows.tolist()])
    heads = np.frombuffer(raw, np.uint8).reshape(-1, _HEAD)
    for _ in range(_MAX_LAYOUTS):
        if not rows.size:
            break
        rows, heads = _take_alike(reading, rows, heads)
    reading.read_singly(rows)
    return reading.batch()


def _take_alike(reading: _Reading, rows: NDArray[np.intp], heads: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.uint8]]:
    """Read all messages that have the structure of the first one; return those left over."""
    layout = SCALAR_LAYOUTS.get(heads[0, STRUCTURE].tobytes())
    alike = _alike(heads, len(layout.rest) if layout else 0)
    if layout and heads[0, : len(layout.head)].tobytes() == layout.head and heads[0, 56 : 56 + len(layout.rest)].tobytes() == layout.rest:
        reading.read_alike(layout, rows[alike], heads[alike])
    else:
        reading.read_singly(rows[alike])
    return rows[~alike], heads[~alike]


def _alike(heads: NDArray[np.uint8], rest: int) -> NDArray[np.bool_]:
    """Return which rows have the structure of the first one."""
    words = heads.view(np.int64)
    alike: NDArray[np.bool_] = words[:, 0] == words[0, 0]
    for word in _STRUCTURE_WORDS[1:]:
        alike &= words[:, word] == words[0, word]
    if rest:
        tails = heads.view(np.int32)[:, 14]
        alike &= tails == tails[0]
    return alike


def _columns(parts: list[_Part]) -> LogColumns:
    names = [name for part in parts for name in part.names]
    places = dict(zip(dict.fromkeys(names), count(), strict=False))
    row = np.concatenate([part.rows for part in parts])
    source = np.fromiter(map(places.__getitem__, names), np.intp, len(names))
    timestamp_ns = np.concatenate([part.timestamp_ns for part in parts])
    value = np.concatenate([part.value for part in parts])
    if len(parts) > 1:
        order = np.argsort(row, kind="stable")
        row, source, timestamp_ns, value = row[order], source[order], timestamp_ns[order], value[order]
    return LogColumns(source_names=tuple(places), row=row, source=source, timestamp_ns=timestamp_ns, value=value)


_known_names: dict[bytes, str] = {}


def _names(tails: list[bytes]) -> tuple[list[str], NDArray[np.bool_] | None]:
    """Return the names at the beginning of the tails (length, characters, zero), and which are valid unless all are."""
    try:
        return list(map(_known_names.__getitem__, tails)), None
    except KeyError:
        names = [_name(tail) for tail in tails]
    valid = np.fromiter((name is not None for name in names), np.bool_, len(names))
    return [name for name in names if name is not None], None if valid.all() else valid


def _name(tail: bytes) -> str | None:
    known = _known_names.get(tail)
    if known is not None:
        return known
    end = 4 + int.from_bytes(tail[:4], "little")
    if end >= len(tail) or tail[end]:
        return None
    try:
        name = tail[4:end].decode()
    except UnicodeDecodeError:
        return None
    if len(_known_names) >= MAX_NAMES:
        _known_names.clear()
    if len(tail) <= _MAX_NAME:
        _known_names[tail] = name
    return name
