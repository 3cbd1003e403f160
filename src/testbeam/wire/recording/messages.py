"""Batch of Kafka messages laid out in a block, column by column."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import WireError
from testbeam.model.topic_partition import TopicPartition
from testbeam.wire.kafka.message import Headers, KafkaMessage

MAX_PARTITIONS = 1 << 16

_SIZE = Struct("<I")
_NONE = -1
_LARGE = 16_384  # bytes: from here on, another copy costs more than one piece more
_COLUMNS = (("partition", "<u2"), ("timestamp_type", "u1"), ("offset", "<i8"), ("timestamp_ms", "<i8"))
_SIZES = (("key", "<i4"), ("value", "<i4"), ("headers", "<u4"))
_ROW_SIZE = sum(np.dtype(code).itemsize for _, code in (*_COLUMNS, *_SIZES))


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageBatch:
    """Messages in the order of arrival, as columns; `partition` counts in `partitions`; `headers` are as `encode_headers` makes them."""

    partitions: Sequence[TopicPartition]
    partition: NDArray[np.uint16]
    timestamp_type: NDArray[np.uint8]
    offset: NDArray[np.int64]
    timestamp_ms: NDArray[np.int64]
    key: Sequence[bytes | None]
    value: Sequence[bytes | None]
    headers: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.value)

    def messages(self) -> Iterator[KafkaMessage]:
        """Yield one message after the other."""
        columns = (self.partition.tolist(), self.offset.tolist(), self.timestamp_type.tolist(), self.timestamp_ms.tolist())
        for number, offset, kind, at_ms, key, value, headers in zip(*columns, self.key, self.value, self.headers, strict=True):
            topic, partition = self.partitions[number]
            yield KafkaMessage(topic, partition, offset, kind, at_ms, key, value, decode_headers(headers) if headers else ())


def encode_messages(batch: MessageBatch) -> list[bytes]:
    """Return the body of a block, in pieces.

    Raises:
        WireError: there are more topics and partitions than the format can number.
    """
    if len(batch.partitions) > MAX_PARTITIONS:
        raise WireError("recording", f"{len(batch.partitions)} partitions are more than the {MAX_PARTITIONS} that one recording can hold")
    table = json.dumps(batch.partitions, ensure_ascii=False).encode()
    columns = [np.asarray(getattr(batch, name), code).tobytes() for name, code in _COLUMNS]
    blobs = [_end_to_end(column) for column in (batch.key, batch.value, batch.headers)]
    sizes = [size.astype(code).tobytes() for (size, _), (_, code) in zip(blobs, _SIZES, strict=True)]
    return [b"".join((_SIZE.pack(len(table)), table, *columns, *sizes)), *(piece for _, pieces in blobs for piece in pieces)]


def decode_messages(body: bytes, messages: int) -> MessageBatch:
    """Return the batch of a block with so many messages.

    Raises:
        WireError: the body is not laid out as it should be.
    """
    partitions, at = _partitions(body)
    if at + messages * _ROW_SIZE > len(body):
        raise WireError("recording", f"{messages} messages do not fit into a block of {len(body)} bytes")
    columns: dict[str, NDArray[Any]] = {}
    for name, code in (*_COLUMNS, *_SIZES):
        columns[name] = np.frombuffer(body, code, messages, at)
        at += columns[name].nbytes
    if messages and int(columns["partition"].max()) >= len(partitions):
        raise WireError("recording", "a message is of a partition that its block does not name")
    blobs: dict[str, list[Any]] = {}
    for name, _ in _SIZES:
        blobs[name], at = _cut(body, at, columns.pop(name))
    if at != len(body):
        raise WireError("recording", "the sizes of a block's messages do not add up to its own")
    for blob in filter(None, blobs["headers"]):
        decode_headers(blob)
    return MessageBatch(partitions=partitions, **columns, **blobs)  # type: ignore[arg-type]  # by the names of the columns above


def encode_headers(headers: Headers) -> bytes:
    """Return headers, which have order and may repeat, as one byte string."""
    return b"".join(_header(name.encode(), value) for name, value in headers)


def decode_headers(raw: bytes) -> Headers:
    """Return the headers.

    Raises:
        WireError: a size reaches beyond the end, or a name is not UTF-8.
    """
    found, at = [], 0
    while at < len(raw):
        name, at = _sized(raw, at)
        value, at = _sized(raw, at)
        try:
            found.append(((name or b"").decode(), value))
        except UnicodeDecodeError:
            raise WireError("recording", "the name of a header is not UTF-8") from None
    return found


def _header(name: bytes, value: bytes | None) -> bytes:
    sized = _SIZE.pack(0xFFFF_FFFF) if value is None else _SIZE.pack(len(value)) + value
    return _SIZE.pack(len(name)) + name + sized


def _sized(raw: bytes, at: int) -> tuple[bytes | None, int]:
    if at + _SIZE.size > len(raw):
        raise WireError("recording", "headers are cut off")
    size = _SIZE.unpack_from(raw, at)[0]
    at += _SIZE.size
    if size == 0xFFFF_FFFF:
        return None, at
    if at + size > len(raw):
        raise WireError("recording", "a header is longer than all of them")
    return raw[at : at + size], at + size


def _end_to_end(blobs: Sequence[bytes | None]) -> tuple[NDArray[np.int64], Sequence[bytes]]:
    """Return the sizes of byte strings (-1: none), and all of them end to end, in pieces; quick where all are there or none is."""
    missing = blobs.count(None)
    if missing == len(blobs):
        return np.full(missing, _NONE, np.int64), ()
    if missing:
        sizes = np.array([_NONE if blob is None else len(blob) for blob in blobs], np.int64)
    else:
        sizes = np.fromiter(map(len, blobs), np.int64, len(blobs))  # type: ignore[arg-type]
    there: list[bytes] = list(filter(None, blobs))
    return sizes, there if int(sizes.sum()) > _LARGE * len(blobs) else [b"".join(there)]


def _partitions(body: bytes) -> tuple[Sequence[TopicPartition], int]:
    size = _SIZE.unpack_from(body)[0] if len(body) >= _SIZE.size else 0
    end = _SIZE.size + size
    try:
        table = json.loads(body[_SIZE.size : end])
        partitions = [(topic, partition) for topic, partition in table]
    except (ValueError, TypeError, RecursionError):
        raise WireError("recording", "a block does not say of which partitions it is") from None
    if not all(isinstance(topic, str) and type(partition) is int and 0 <= partition < 1 << 31 for topic, partition in partitions):
        raise WireError("recording", "a block does not say of which partitions it is")
    return partitions, end


def _cut(body: bytes, at: int, sizes: NDArray[Any]) -> tuple[list[bytes | None], int]:
    """Return the byte strings of these sizes that lie end to end from `at` on, and where they end."""
    wide = sizes.astype(np.int64)
    low, high = (int(wide.min()), int(wide.max())) if len(wide) else (0, 0)
    if low < _NONE:
        raise WireError("recording", "a message has a negative size")
    if low == high <= 0:
        return [None if low else b""] * len(wide), at
    ends = at + np.cumsum(np.maximum(wide, 0))
    if int(ends[-1]) > len(body):
        raise WireError("recording", "a message reaches beyond its block")
    stops = ends.tolist()
    blobs: list[bytes | None] = [body[start:stop] for start, stop in zip([at, *stops], stops, strict=False)]
    for row in np.flatnonzero(wide < 0).tolist() if low < 0 else ():
        blobs[row] = None
    return blobs, stops[-1]
