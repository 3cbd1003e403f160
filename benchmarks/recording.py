"""Cost of recording beside consuming the same messages and doing nothing, and replaying beside producing them; CPU time a message."""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import Result, at_most
from testbeam.kafkatools.recording import record
from testbeam.kafkatools.recording_span import Span
from testbeam.kafkatools.replay_names import Names
from testbeam.kafkatools.replaying import replay
from testbeam.kit.stack import Stack
from testbeam.stacks.roles.broker.declaration import BrokerHandle, broker
from testbeam.transport.kafka.client import Kafka

ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """So many messages of this size, and how many times the bare client's CPU may be used."""

    name: str
    size: int
    count: int
    record_target: float
    replay_target: float


CASES = (
    Case(name="120 B", size=120, count=200_000, record_target=3.0, replay_target=3.0),
    Case(name="80 kB", size=80_000, count=2_000, record_target=1.5, replay_target=2.0),
)


def run() -> list[Result]:
    """Measure each in turn with its baseline, so that the machine's other work hits both."""
    with Stack(broker()).run() as stack, tempfile.TemporaryDirectory() as folder:
        handle = stack["broker"]
        assert isinstance(handle, BrokerHandle)
        return [result for case in CASES for result in _measured(handle.kafka, case, Path(folder) / "recording")]


def _measured(kafka: Kafka, case: Case, path: Path) -> list[Result]:
    topic, copy = f"data-{case.size}", f"copy-{case.size}"
    _create(kafka, topic, copy)
    _produce(kafka, topic, case)
    rounds = [
        (
            _cpu_us(case, lambda: _consume(kafka, topic, case)),
            _cpu_us(case, lambda: _record(kafka, topic, path)),
            _cpu_us(case, lambda: _produce(kafka, copy, case)),
            _cpu_us(case, lambda: _replay(kafka, topic, copy, path)),
        )
        for _ in range(ROUNDS)
    ]
    consume, recording, produce, replaying = (statistics.median(times) for times in zip(*rounds, strict=True))
    return [
        at_most(f"record, {case.name} a message", value=recording, baseline=consume, target=case.record_target, unit="µs"),
        at_most(f"replay, {case.name} a message", value=replaying, baseline=produce, target=case.replay_target, unit="µs"),
    ]


def _cpu_us(case: Case, work: Callable[[], None]) -> float:
    before_s = time.process_time()
    work()
    return (time.process_time() - before_s) / case.count * 1e6


def _create(kafka: Kafka, *topics: str) -> None:
    from testbeam.transport.kafka.client import create_topics

    create_topics(kafka, dict.fromkeys(topics, 1))


def _produce(kafka: Kafka, topic: str, case: Case) -> None:
    producer = kafka.producer(queue_buffering_max_kbytes=128 << 10)
    payload, at_ms = os.urandom(case.size), time.time_ns() // 1_000_000
    for number in range(case.count):
        while True:
            try:
                producer.produce(topic, payload, None, 0, timestamp=at_ms + number // 1_000)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(60) == 0


def _consume(kafka: Kafka, topic: str, case: Case) -> None:
    with kafka.reader() as reader:
        reader.assign({(topic, 0): 0})
        got = 0
        while got < case.count:
            got += len(reader.consumer.consume(1_000, 0.1))


def _record(kafka: Kafka, topic: str, path: Path) -> None:
    record(kafka, [topic], path, span=Span(from_ms=0), overwrite=True)


def _replay(kafka: Kafka, topic: str, copy: str, path: Path) -> None:
    replay(kafka, path, names=Names(renames={topic: copy}), speed=None)
