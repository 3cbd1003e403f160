"""The writer's loop with a clock of the test and Kafka's ends as fakes: when it beats, takes jobs, refuses them and takes them up."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from testbeam.errors import NexusError, TopicMissing, TransportError
from testbeam.model.runs import RunStart
from testbeam.runtime.counters import Drops
from testbeam.services.filewriter.feedback import Feedback
from testbeam.services.filewriter.job import RunningJob
from testbeam.services.filewriter.lease import Lease, LeaseTable
from testbeam.services.filewriter.lease_topic import LeaseTopic
from testbeam.services.filewriter.pool import Pool
from testbeam.services.filewriter.service import Clock, FileWriter
from testbeam.services.filewriter.settings import FileWriterSettings
from testbeam.transport.kafka.client import Kafka
from testbeam.wire.flatbuffers.registry import decode
from testbeam.wire.flatbuffers.schemas.run_start_pl72 import encode_pl72

JOB_ID = "11111111-2222-3333-4444-555555555555"


@dataclass
class Now:
    """Both clocks of the writer, as the test sets them."""

    s: float = 100.0

    def clock(self) -> Clock:
        return Clock(now_ms=lambda: int(self.s * 1000), monotonic_s=lambda: self.s)


@dataclass
class Said:
    """Keeps what the writer says."""

    service_id: str = "w"
    heard: bool = True
    messages: list[tuple[str, Any]] = field(default_factory=list)
    statuses: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def is_heard(self) -> bool:
        return self.heard

    def say(self, topic: str, payload: bytes, _now_s: float) -> None:
        self.messages.append((topic, decode(payload)))

    def answer(self, topic: str, answer: Any, _now_s: float) -> None:
        self.messages.append((topic, answer))

    def finished(self, topic: str, finished: Any, _now_s: float) -> None:
        self.messages.append((topic, finished))

    def beat(self, topic: str, status: dict[str, Any], _now_s: float) -> None:
        self.statuses.append((topic, status))

    def beat_soon(self) -> None:
        pass

    def listen(self, _now_s: float, _wait_s: float = 0) -> None:
        pass

    def silent_s(self, _now_s: float) -> float:
        return 0.0

    def close(self, _within_s: float) -> None:
        pass


@dataclass
class Command:
    """A message of the pool."""

    payload: bytes
    at: int = 0

    def value(self) -> bytes:
        return self.payload

    def topic(self) -> str:
        return "pool"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.at

    def timestamp(self) -> tuple[int, int]:
        return 1, 99_000


@dataclass
class Waiting:
    """A pool that gives one command after the other."""

    commands: list[Command] = field(default_factory=list)
    committed: list[int] = field(default_factory=list)
    takes: bool = True
    joined: int = 0
    left: int = 0

    def join(self) -> None:
        self.joined += 1

    def poll(self, _wait_s: float) -> Command | None:
        return self.commands.pop(0) if self.commands else None

    def commit(self, message: Command) -> bool:
        self.committed.append(message.at)
        return self.takes

    def leave(self) -> None:
        self.left += 1


@dataclass
class Leases:
    """A lease topic in memory."""

    table: LeaseTable = field(default_factory=LeaseTable)
    records: list[Lease] = field(default_factory=list)

    def open(self) -> bool:
        return True

    def poll(self) -> None:
        pass

    def put(self, lease: Lease) -> None:
        self.records.append(lease)
        self.table.observe(lease, 0.0)

    def confirm(self, lease: Lease) -> tuple[Lease, bool]:
        self.put(lease)
        return lease, self.table.is_owner(lease)

    def close(self) -> None:
        pass


@dataclass
class Unreachable:
    """A cluster without the topics that a job needs."""

    def reader(self) -> "Unreachable":
        return self

    def __enter__(self) -> "Unreachable":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def offsets_at(self, topic: str, *_: object) -> dict[int, int]:
        raise TopicMissing(topic, "here", ())

    def between(self, *_: object, **__: object) -> Sequence[Any]:
        raise TransportError("here: no answer")

    def close(self) -> None:
        pass


@dataclass
class Rig:
    """One writer and its surroundings."""

    folder: Path
    now: Now = field(default_factory=Now)
    said: Said = field(default_factory=Said)
    pool: Waiting = field(default_factory=Waiting)
    leases: Leases = field(default_factory=Leases)

    def __post_init__(self) -> None:
        log = logging.getLogger("test")
        settings = FileWriterSettings(
            brokers="here:9",
            command_status_topic="status",
            job_pool_topic="pool",
            hdf_output_prefix=self.folder,
            ready_file=self.folder / "ready",
        )
        self.writer = FileWriter(
            settings,
            kafka=cast("Kafka", Unreachable()),
            feedback=cast("Feedback", self.said),
            pool=cast("Pool", self.pool),
            leases=cast("LeaseTopic", self.leases),
            drops=Drops(log),
            log=log,
            clock=self.now.clock(),
        )

    def send(self, at: int = 0, **changes: Any) -> None:
        words = {"job_id": JOB_ID, "filename": "a.nxs", "nexus_structure": "{}", "control_topic": "control", **changes}
        self.pool.commands.append(Command(encode_pl72(RunStart(**words)), at))

    def kinds(self) -> list[tuple[str, str]]:
        return [(topic, type(value).__name__) for topic, value in self.said.messages]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.writer.step()
    return made


def test_a_writer_is_ready_and_joins_the_pool_once_kafka_has_acknowledged_its_status(tmp_path: Path) -> None:
    rig = Rig(tmp_path, said=Said(heard=False))
    rig.writer.step()
    assert (rig.pool.joined, (tmp_path / "ready").exists()) == (0, False)

    rig.said.heard = True
    rig.writer.step()
    assert (rig.pool.joined, (tmp_path / "ready").exists()) == (1, True)
    assert rig.said.statuses[-1][1]["state"] == "idle"


def test_a_command_that_can_t_be_obeyed_is_committed_echoed_and_refused_without_a_lease(rig: Rig) -> None:
    rig.send(7, job_id="no uuid")
    rig.writer.step()

    assert rig.pool.committed == [7]
    assert rig.kinds() == [("status", "RunStart"), ("status", "CommandAnswer")]
    assert rig.said.messages[1][1].status_code == 400
    assert rig.leases.records == []


def test_the_lease_of_a_job_is_on_kafka_before_its_command_leaves_the_pool_and_ends_with_a_refusal(rig: Rig) -> None:
    rig.send(3)
    rig.writer.step()

    assert rig.pool.committed == [3]
    assert [(lease.command, lease.released) for lease in rig.leases.records] == [(("pool", 0, 3), False), (("pool", 0, 3), True)]
    assert rig.said.messages[1][1].status_code == 500
    assert "control" in rig.said.messages[1][1].message


def test_a_command_that_could_not_be_committed_is_left_to_the_others(rig: Rig) -> None:
    rig.pool.takes = False
    rig.send(3)
    rig.writer.step()

    assert rig.said.messages == []
    assert rig.leases.records[-1].released


def test_a_command_whose_lease_is_there_already_was_taken_by_a_writer_that_was_killed(rig: Rig) -> None:
    rig.send(3)
    rig.writer.step()
    rig.said.messages.clear()
    rig.send(3)
    rig.writer.step()

    assert rig.pool.committed == [3, 3]
    assert rig.said.messages == []


def test_a_writer_that_is_long_in_making_a_file_leaves_the_pool_to_the_others(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    left = threading.Event()
    monkeypatch.setattr(rig.pool, "leave", left.set)

    def begin(*_: object) -> None:
        assert left.wait(60)
        raise NexusError("$", "made long enough")

    monkeypatch.setattr(RunningJob, "begin", begin)
    rig.send()
    rig.writer.step()

    assert ("status", "CommandAnswer") in rig.kinds()


def test_a_lease_that_is_not_renewed_is_taken_up_and_what_can_t_be_gone_on_with_is_released(rig: Rig) -> None:
    lease = Lease(
        lease_id="l",
        job_id=JOB_ID,
        epoch=1,
        owner="other",
        service_ids=("other",),
        file="a.nxs",
        start_ms=1,
        stop_ms=0,
        taken_ms=1,
        sent_ms=1,
        interval_ms=2_000,
        command=("pool", 0, 9),
        answered=True,
    )
    rig.leases.table.observe(lease, rig.now.s)
    rig.writer.step()
    assert rig.leases.records == []

    rig.now.s += lease.ttl_s + 0.1
    rig.writer.step()
    assert [(r.epoch, r.owner, r.released) for r in rig.leases.records] == [(2, "w", False), (2, "w", True)]


def test_a_name_or_id_without_end_is_shown_short_and_on_one_line(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.send(job_id="x\n\x1b[31m" * 100_000)
    rig.writer.step()

    answer = rig.said.messages[-1][1]
    assert len(answer.message) < 300
    assert "\n" not in answer.message
    assert all(len(record.getMessage()) < 2_000 for record in caplog.records)
