"""Messages as tests put them on Kafka, and what is there afterwards."""

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from testbeam.kafkatools.inspect.history import between
from testbeam.kafkatools.inspect.message import plain
from testbeam.transport.kafka.client import Kafka
from testbeam.wire.kafka.message import KafkaMessage

COMMAND = (sys.executable, "-c", "from testbeam.cli.main import main; main()")


def message(number: int, **changes: Any) -> KafkaMessage:
    """Return a message with a key, a header and a time of its own."""
    row = KafkaMessage("", 0, number, 1, 1_700_000_000_000 + number, b"key %d" % number, b"payload %d" % number, (("n", b"%d" % number),))
    return row._replace(**changes)


def send(kafka: Kafka, topic: str, rows: Iterable[KafkaMessage]) -> None:
    """Send messages to their partitions of a topic, and wait until they are there."""
    producer = kafka.producer(enable_idempotence=False)
    for row in rows:
        producer.produce(topic, row.value, row.key, row.partition, timestamp=row.timestamp_ms, headers=list(row.headers))
    assert producer.flush(30) == 0


def on(kafka: Kafka, topic: str) -> list[KafkaMessage]:
    """Return all messages of a topic by partition and offset, without its name."""
    with kafka.reader() as reader:
        limits = reader.watermarks(topic)
        starts, ends = ({partition: limit[side] for partition, limit in limits.items()} for side in (0, 1))
        found = [plain(one) for messages in between(reader, topic, starts, ends) for one in messages]
    return sorted((row._replace(topic="") for row in found), key=lambda row: (row.partition, row.offset))


def start(*arguments: str, folder: Path | None = None) -> subprocess.Popen[str]:
    """Start a `testbeam` command of its own process."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen([*COMMAND, *arguments], stdout=pipe, stderr=pipe, text=True, cwd=folder, env=environment)


def numbers(rows: Sequence[KafkaMessage]) -> list[int]:
    """Return the numbers that the payloads of `message` bear."""
    return [int((row.value or b"").rpartition(b" ")[2]) for row in rows]
