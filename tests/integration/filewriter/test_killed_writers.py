"""A job whose writer is killed is finished by another one, and nobody can tell from its file."""

import os
import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import h5py
import pytest

from testbeam.clients.records import Record
from testbeam.kit.run import Run
from testbeam.stacks.roles.broker.declaration import BrokerHandle
from testbeam.stacks.roles.filewriter.declaration import FileWriterHandle, filewriter
from testbeam.stacks.topics import Topics
from testbeam.suites.filewriter.jobs import LEEWAY_S, STATUS_S, Writing, alarm, entry_of, events, log, now_ms, read, status_of
from testbeam.tracking.writer_job import JobRecord, JobTracker

StartWriter = Callable[[], Writing]
KILLS = 50 if os.environ.get("TESTBEAM_SOAK") else 3


@pytest.fixture
def start_writer(writing_run: Run, tmp_path: Path) -> Iterator[StartWriter]:
    """Start one more writer, in a pool and with an output folder of the test's own."""
    topics = Topics(prefix=f"k{uuid.uuid4().hex[:8]}")
    kafka = cast("BrokerHandle", writing_run["broker"])
    kafka.create_topics(topics.pool, topics.writer_status, topics.control)
    with ExitStack() as stack:

        def start() -> Writing:
            service = filewriter(
                pool_topic=topics.pool,
                status_topic=topics.writer_status,
                control_topic=topics.control,
                output=tmp_path,
                time_after_stop_s=LEEWAY_S,
                status_interval_s=STATUS_S,
                flush_interval_s=0.05,
            )
            return Writing(broker=kafka, writer=cast("FileWriterHandle", stack.enter_context(writing_run.add(service))))

        yield start


def kill(service_id: str, *writers: Writing) -> Writing:
    """Kill the writer of this id, and return the other one."""
    victim, survivor = sorted(writers, key=lambda writing: f"--{writing.writer.pid}--" not in service_id)
    victim.writer.kill()
    return survivor


def states_seen_by_control(job_id: str, records: list[Record]) -> list[str]:
    """Return the states that control's own follower goes through, at the times that Kafka gives the messages."""
    tracker, states = JobTracker(), list[str]()
    tracker.add(JobRecord(job_id=job_id, number=1, started_s=0))
    for record in records:
        for changed in (*tracker.look_for_lost(record.timestamp_ms / 1000), tracker.take(record.value, record.timestamp_ms / 1000)):
            states += [changed.state.name] if changed is not None and changed.state.name not in states[-1:] else []
    return states


def is_idle(record: Record, service_id: str) -> bool:
    return bool(record.value.service_id == service_id and status_of(record)["state"] == "idle")


def content(path: Path) -> dict[str, list[object]]:
    """Return the values of all datasets of a file."""
    found: dict[str, list[object]] = {}

    def note(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item[()].tolist()

    with h5py.File(path) as file:
        file.visititems(note)
    return found


def test_the_job_of_a_killed_writer_is_finished_by_another_and_no_client_sees_it_fail(start_writer: StartWriter) -> None:
    first, second = start_writer(), start_writer()
    t = now_ms()
    job = first.start(first.speed(cue_interval=2), first.panel(), start_time_ms=t)
    owner = job.wait_started().service_id
    first.send(log(t + 1, 1), alarm(t + 1), events(t + 2, [1, 2]))
    kill(owner, first, second)
    by_another = first.control.expect(
        where=lambda record: record.schema == "x5f2" and record.value.service_id != owner, within_s=5 * (STATUS_S + 5)
    )
    first.send(log(t + 3, 2), log(t + 4, 3), events(t + 5, [3]))
    job.send_stop(t + 10, service_id=owner)
    finished = job.wait_written()

    assert not finished.error_encountered
    assert finished.service_id == by_another.value.service_id
    with entry_of(job) as entry:
        assert read(entry, "speed/value", "panel/event_time_offset", "speed/cue_index") == [[1, 2, 3], [1, 2, 3], [0, 2]]
    assert [record.schema for record in first.said() if record.schema != "x5f2"] == ["pl72", "answ", "6s4t", "answ", "wrdn"]
    assert states_seen_by_control(job.job_id, first.said()) == ["STARTED", "WRITTEN"]


def test_a_writer_that_is_started_again_finishes_the_job_it_had(start_writer: StartWriter) -> None:
    own = start_writer()
    t = now_ms()
    job = own.start(own.speed(), start_time_ms=t)
    owner = job.wait_started().service_id
    own.send(log(t + 1, 1))
    with own.writer.killed():
        own.send(log(t + 2, 2))
        assert not job.finished
    assert job.stop(t + 10, within_s=60).service_id != owner
    job.wait_written(within_s=60)

    with entry_of(job) as entry:
        assert read(entry, "speed/value") == [[1, 2]]


def test_a_writer_that_was_only_paused_lets_go_of_the_job_that_another_has_taken_up(start_writer: StartWriter) -> None:
    first, second = start_writer(), start_writer()
    t = now_ms()
    job = first.start(first.speed(), start_time_ms=t)
    owner = job.wait_started().service_id
    paused, other = (w.writer for w in sorted((first, second), key=lambda w: f"--{w.writer.pid}--" not in owner))
    first.send(log(t + 1, 1))
    with paused.paused():
        first.control.expect(where=lambda record: record.schema == "x5f2" and record.value.service_id != owner, within_s=60)
    first.send(log(t + 2, 2))
    first.status.expect(
        where=lambda record: record.value.service_id == owner and '"idle"' in record.value.status_json, schema="x5f2", within_s=60
    )
    job.send_stop(t + 10)
    finished = job.wait_written(within_s=60)

    assert finished.service_id.split("--")[2] == str(other.pid)
    with entry_of(job) as entry:
        assert read(entry, "speed/value") == [[1, 2]]
    assert [record.schema for record in first.said()].count("wrdn") == 1


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_file_is_equal_in_its_data_to_one_never_interrupted(start_writer: StartWriter, seed: int) -> None:
    dice = random.Random(seed)
    own, other = start_writer(), start_writer()
    t = now_ms() - 2_000
    own.send(*(log(t + i, i) for i in range(200)), *(events(t + i, range(i % 7)) for i in range(200)))
    nodes = (own.speed(cue_interval=10), own.panel())
    job = own.start(*nodes, name="killed", start_time_ms=t)
    owner = job.wait_started().service_id
    time.sleep(dice.random() * 0.3)  # the moment of the kill is what is tried
    survivor = kill(owner, own, other)
    own.send(*(log(t + i, i) for i in range(200, 400)), *(events(t + i, range(i % 7)) for i in range(200, 400)))
    job.send_stop(t + 1_000)
    first = job.wait_written(within_s=60)

    again = own.write(*nodes, name="whole", start_time_ms=t, stop_time_ms=t + 1_000)
    assert again.finished is not None
    assert again.finished.service_id == first.service_id
    assert str(survivor.writer.pid) in first.service_id
    assert content(Path(first.file_name)) == content(Path(again.finished.file_name))
    assert len(content(Path(first.file_name))["entry/speed/value"]) == 400
