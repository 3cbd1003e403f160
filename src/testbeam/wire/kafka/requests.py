"""The few requests of the Kafka protocol that tell whether a broker can be used, and that make it so: bytes ⇄ values.

A client library takes 70 ms to import and its reconnects 100 ms to notice a broker that has just come up; a start is measured against
0.6 s. Anything else speaks through confluent-kafka.
Source: Apache Kafka protocol guide; versions that brokers from 2.4 to 4.3 understand, none of them with tagged fields.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from testbeam.errors import WireError

NONE = 0
NOT_YET = frozenset({14, 15, 16})  # a coordinator is loading, not available, not here: ask again
TOPIC_ALREADY_EXISTS = 36
INVALID_REPLICATION_FACTOR = 38  # for one replica: no broker can be had at this moment

_CLIENT = b"testbeam"
_LONGEST = 100_000_000
_METADATA, _OFFSET_FETCH, _FIND_COORDINATOR, _CREATE_TOPICS, _INIT_PRODUCER_ID = 3, 9, 10, 19, 22


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """A topic to be created; -1 replicas are as many as the broker has as its default."""

    name: str = field(kw_only=False)
    partitions: int = 1
    replication_factor: int = -1
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterMetadata:
    """What a broker knows: addresses by broker id, and of each topic whether every partition has a leader."""

    brokers: Mapping[int, tuple[str, int]]
    topics: Mapping[str, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a topic was not created: the protocol's error code and the broker's words."""

    code: int
    message: str


def encode_metadata() -> bytes:
    """Return the request for all brokers and topics (Metadata v1)."""
    return _frame(_METADATA, 1, struct.pack(">i", -1))


def encode_create_topics(topics: Iterable[TopicSpec], timeout_ms: int) -> bytes:
    """Return the request to create topics (CreateTopics v4)."""
    items = [_string(t.name) + struct.pack(">ihi", t.partitions, t.replication_factor, 0) + _configs(t.config) for t in topics]
    return _frame(_CREATE_TOPICS, 4, struct.pack(">i", len(items)) + b"".join(items) + struct.pack(">i?", timeout_ms, False))


def encode_find_coordinator(group: str) -> bytes:
    """Return the question who coordinates a consumer group (FindCoordinator v0)."""
    return _frame(_FIND_COORDINATOR, 0, _string(group))


def encode_offset_fetch(group: str, topic: str) -> bytes:
    """Return the question for a group's offset in partition 0 of a topic (OffsetFetch v1)."""
    return _frame(_OFFSET_FETCH, 1, _string(group) + struct.pack(">i", 1) + _string(topic) + struct.pack(">ii", 1, 0))


def encode_init_producer_id() -> bytes:
    """Return the request for the id that an idempotent producer needs before its first message (InitProducerId v0)."""
    return _frame(_INIT_PRODUCER_ID, 0, struct.pack(">hi", -1, 60_000))


def decode_metadata(answer: bytes) -> ClusterMetadata:
    """Return what the answer to `encode_metadata` says.

    Raises:
        WireError: it is no such answer.
    """
    reader = _Reader(answer)
    brokers = {}
    for _ in range(reader.count()):
        node, host, port, _rack = reader.int32(), reader.string(), reader.int32(), reader.string()
        brokers[node] = (host, port)
    reader.int32()  # the controller's id
    topics = {}
    for _ in range(reader.count()):
        error, name, _internal = reader.int16(), reader.string(), reader.int8()
        leaders = [_read_partition(reader) for _ in range(reader.count())]
        topics[name] = error == NONE and bool(leaders) and all(leaders)
    return ClusterMetadata(brokers=brokers, topics=topics)


def decode_create_topics(answer: bytes) -> dict[str, Refusal]:
    """Return the topics that were not created; raise WireError as `decode_metadata`."""
    reader = _Reader(answer)
    reader.int32()  # throttle time
    refused = {}
    for _ in range(reader.count()):
        name, code, message = reader.string(), reader.int16(), reader.string()
        if code != NONE:
            refused[name] = Refusal(code=code, message=message or f"error code {code}")
    return refused


def decode_find_coordinator(answer: bytes) -> int:
    """Return the error code; raise WireError as `decode_metadata`."""
    return _Reader(answer).int16()


def decode_offset_fetch(answer: bytes) -> int:
    """Return the error code of the one partition that was asked for; raise WireError as `decode_metadata`."""
    reader = _Reader(answer)
    if reader.count() != 1:
        raise WireError("kafka", "the answer about offsets is not of the one topic that was asked for")
    reader.string()
    if reader.count() != 1:
        raise WireError("kafka", "the answer about offsets is not of the one partition that was asked for")
    reader.take(12)  # partition, offset
    reader.string()
    return reader.int16()


def decode_init_producer_id(answer: bytes) -> int:
    """Return the error code; raise WireError as `decode_metadata`."""
    reader = _Reader(answer)
    reader.int32()  # throttle time
    return reader.int16()


def frame_length(prefix: bytes) -> int:
    """Return how many bytes follow the four of a frame's length.

    Raises:
        WireError: no answer is that long; this is not a Kafka broker.
    """
    (length,) = struct.unpack(">i", prefix)
    if not 4 <= length <= _LONGEST:
        raise WireError("kafka", f"a frame of {length} bytes was announced; is this a Kafka broker, without TLS?")
    return int(length)


def _read_partition(reader: "_Reader") -> bool:
    error, _partition, leader = reader.int16(), reader.int32(), reader.int32()
    for _ in range(2):  # replicas, those in sync
        reader.take(4 * reader.count())
    return error == NONE and leader >= 0


def _frame(key: int, version: int, body: bytes) -> bytes:
    header = struct.pack(">hhih", key, version, 0, len(_CLIENT)) + _CLIENT
    return struct.pack(">i", len(header) + len(body)) + header + body


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def _configs(config: Mapping[str, str]) -> bytes:
    return struct.pack(">i", len(config)) + b"".join(_string(key) + _string(value) for key, value in config.items())


class _Reader:
    """Reads one answer from its start, after the correlation id; never past its end."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._at = 4

    def take(self, size: int) -> bytes:
        end = self._at + size
        if size < 0 or end > len(self._answer):
            raise WireError("kafka", f"an answer of {len(self._answer)} bytes ends within a field at byte {self._at}")
        data = self._answer[self._at : end]
        self._at = end
        return data

    def int8(self) -> int:
        return self.take(1)[0]

    def int16(self) -> int:
        return int.from_bytes(self.take(2), "big", signed=True)

    def int32(self) -> int:
        return int.from_bytes(self.take(4), "big", signed=True)

    def count(self) -> int:
        """Return the length of an array, which can't be longer than the bytes that are left."""
        number = self.int32()
        if number > len(self._answer) - self._at:
            raise WireError("kafka", f"an array of {number} entries can't be in an answer of {len(self._answer)} bytes")
        return max(number, 0)

    def string(self) -> str:
        """Return a string; a null one is empty."""
        size = self.int16()
        return self.take(size).decode(errors="replace") if size > 0 else ""
