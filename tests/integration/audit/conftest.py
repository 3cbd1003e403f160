import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from testbeam.audit.result import AuditResult
from testbeam.audit.run import Leeway, audit, find_job
from testbeam.kit.run import Run
from testbeam.kit.stack import Stack
from testbeam.stacks.roles.broker.declaration import BrokerHandle, broker
from testbeam.stacks.roles.filewriter.declaration import FileWriterHandle, filewriter
from testbeam.stacks.topics import Topics

COMMANDS = Topics(prefix=f"audit-{uuid.uuid4().hex[:8]}")
LEEWAY = Leeway(before_s=10, after_s=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beamline:
    """A broker and a file-writer; the topics of a test are its own."""

    run: Run
    broker: BrokerHandle
    filewriter: FileWriterHandle
    prefix: str

    def topic(self, name: str, partitions: int = 1) -> str:
        """Return the name of a new topic."""
        full = f"{self.prefix}_{name}"
        self.broker.create_topics({full: partitions})
        return full

    def write(self, nexus_structure: str, start_ms: int, stop_ms: int) -> Path:
        """Return the finished file of a job over this window."""
        job = self.filewriter.start_job(nexus_structure, f"{self.prefix}.nxs", start_time_ms=start_ms, stop_time_ms=stop_ms)
        job.wait_started()
        return Path(job.wait_written().file_name)

    def audit(self, file: Path) -> AuditResult:
        """Return the verdict, with the job found by the file's name."""
        return audit(self.broker.kafka, find_job(self.broker.kafka, [COMMANDS.pool], file=file), file, LEEWAY)

    def send(self, topic: str, sent: list[tuple[int, bytes | None, int]]) -> None:
        """Send (partition, payload, Kafka time in ms), and wait until the broker has all."""
        producer = self.broker.kafka.producer()
        failed: list[Any] = []
        for partition, payload, kafka_ms in sent:
            producer.produce(
                topic, payload, partition=partition, timestamp=kafka_ms, on_delivery=lambda e, _m: failed.append(e) if e else None
            )
        assert producer.flush(30) == 0
        assert failed == []


@pytest.fixture(scope="session")
def running(shared_broker: BrokerHandle) -> Iterator[Run]:
    writer = filewriter(pool_topic=COMMANDS.pool, status_topic=COMMANDS.writer_status, control_topic=COMMANDS.control)
    topics = (COMMANDS.pool, COMMANDS.writer_status, COMMANDS.control)
    with Stack(broker(bootstrap=shared_broker.bootstrap, topics=topics), writer).run() as run:
        yield run


@pytest.fixture
def beamline(running: Run) -> Beamline:
    return beamline_on(running)


@pytest.fixture(scope="module")
def shared_beamline(running: Run) -> Beamline:
    return beamline_on(running)


def beamline_on(run: Run) -> Beamline:
    return Beamline(
        run=run,
        broker=cast("BrokerHandle", run["broker"]),
        filewriter=cast("FileWriterHandle", run["filewriter"]),
        prefix=f"t{uuid.uuid4().hex[:8]}",
    )


@pytest.fixture(scope="session")
def past_ms() -> Callable[[int], int]:
    """Return times in the past: a whole job can then be written at once."""
    base = time.time_ns() // 1_000_000 - 60_000
    return lambda offset: base + offset
