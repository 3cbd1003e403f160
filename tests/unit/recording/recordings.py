"""Small recordings for tests, and every message there could be."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from testbeam.kafkatools.recording_file import RecordingWriter
from testbeam.model.topic_partition import TopicPartition
from testbeam.wire.kafka.message import KafkaMessage
from testbeam.wire.recording.blocks import SIGNATURE, Block, Damage, Kind, block, scan
from testbeam.wire.recording.facts import About
from testbeam.wire.recording.messages import MessageBatch, encode_headers, encode_messages

ABOUT = About(topics={"detector": 2, "motion": 1}, bootstrap="localhost:9092", cluster_id="here", started_ms=1_700_000_000_000)

blobs = st.none() | st.binary(max_size=20)
messages = st.builds(
    KafkaMessage,
    topic=st.sampled_from(["detector", "motion", "µ"]),
    partition=st.integers(0, 3),
    offset=st.integers(0, 2**63 - 1),
    timestamp_type=st.integers(0, 2),
    timestamp_ms=st.integers(-1, 2**63 - 1),
    key=blobs,
    value=blobs,
    headers=st.lists(st.tuples(st.text(max_size=5), blobs), max_size=3).map(tuple),
)


def message(
    number: int, *, topic: str = "detector", partition: int = 0, at_ms: int | None = None, value: bytes | None = None
) -> KafkaMessage:
    """Return a message whose payload tells it from all others."""
    payload = b"payload %d" % number if value is None else value
    return KafkaMessage(topic, partition, number, 1, 1_000 + number if at_ms is None else at_ms, None, payload, ())


def batch(rows: Sequence[KafkaMessage]) -> MessageBatch:
    """Return messages as a batch."""
    partitions: list[TopicPartition] = sorted({(row.topic, row.partition) for row in rows})
    return MessageBatch(
        partitions=partitions,
        partition=np.array([partitions.index((row.topic, row.partition)) for row in rows], np.uint16),
        timestamp_type=np.array([row.timestamp_type for row in rows], np.uint8),
        offset=np.array([row.offset for row in rows], np.int64),
        timestamp_ms=np.array([row.timestamp_ms for row in rows], np.int64),
        key=[row.key for row in rows],
        value=[row.value for row in rows],
        headers=[encode_headers(row.headers) for row in rows],
    )


def write(
    path: Path, batches: Sequence[Sequence[KafkaMessage]], *, compress: bool = False, ended: bool = True, about: About = ABOUT
) -> Path:
    """Write a recording of these batches, one block each; without `ended`, as a recorder that was killed leaves it."""
    with RecordingWriter(path, ABOUT, compress=compress) as file:
        for rows in batches:
            file.write(batch(rows))
        if ended:
            file.end("told to stop", 1_700_000_001_000)
    return path


def of_body(body: bytes, messages: int, kind: int = Kind.MESSAGES) -> bytes:
    """Return a file with one block with this body, whatever it is."""
    return SIGNATURE + a_block(kind, len(SIGNATURE), body, messages=messages)


def body_of(rows: Sequence[KafkaMessage]) -> bytes:
    """Return the body of a block with these messages."""
    return b"".join(encode_messages(batch(rows)))


def a_block(kind: int, at: int, body: bytes, *, messages: int = 0, deflate: bool = False) -> bytes:
    """Return a block that begins at byte `at`."""
    return b"".join(block(kind, at, body, messages=messages, deflate=deflate))  # type: ignore[arg-type]  # unknown kinds, too


def found_in(raw: bytes) -> list[Block | Damage]:
    """Return what a file of these bytes consists of."""
    return list(scan(BytesIO(raw)))
