"""How writers share a pool, are stopped, lose Kafka, and start with a command."""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from testbeam.clients.file_writer import FileWriterClient
from testbeam.errors import JobFailed
from testbeam.kit.run import Run
from testbeam.kit.stack import Stack
from testbeam.nexus import compose
from testbeam.services.filewriter.service import FileWriter
from testbeam.services.filewriter.settings import FileWriterSettings
from testbeam.stacks.roles.broker.declaration import BrokerHandle, broker
from testbeam.stacks.roles.filewriter.declaration import FileWriterHandle, filewriter
from testbeam.stacks.topics import Topics
from testbeam.suites.filewriter.jobs import LEEWAY_S, STATUS_S, Writing, entry_of, events, log, now_ms, read
from testbeam.tracking.writer_job import JobState
from testbeam.transport.kafka.client import Kafka

StartWriter = Callable[..., Writing]


@pytest.fixture
def start_writer(writing_run: Run) -> Iterator[StartWriter]:
    """Start one more writer, in a pool of the test's own."""
    topics = Topics(prefix=f"p{uuid.uuid4().hex[:8]}")
    kafka = cast("BrokerHandle", writing_run["broker"])
    kafka.create_topics(topics.pool, topics.writer_status, topics.control)
    with ExitStack() as stack:

        def start(**more: Any) -> Writing:
            words = {"time_after_stop_s": LEEWAY_S, "status_interval_s": STATUS_S, **more}
            service = filewriter(pool_topic=topics.pool, status_topic=topics.writer_status, control_topic=topics.control, **words)
            return Writing(broker=kafka, writer=cast("FileWriterHandle", stack.enter_context(writing_run.add(service))))

        yield start


def test_two_writers_share_three_jobs(start_writer: StartWriter) -> None:
    first, second = start_writer(), start_writer()
    jobs = [first.start(name=name, start_time_ms=now_ms()) for name in "abc"]
    writers = {job.wait_started().service_id for job in jobs[:2]}
    jobs[2].look(0.5)
    waiting = jobs[2].state
    for job in jobs:
        job.send_stop()
    folders = Counter(Path(job.wait_written().file_name).parent for job in jobs)

    assert len(writers) == 2
    assert waiting is JobState.NOT_STARTED
    assert sorted(folders) == sorted(writing.writer.output for writing in (first, second))
    assert sorted(folders.values()) == [1, 2]


def test_a_writer_that_is_stopped_in_mid_job_finishes_the_file_and_says_so(writing_run: Run, writing: Writing) -> None:
    kafka, t = writing.broker, now_ms()
    topics = Topics(prefix=f"s{uuid.uuid4().hex[:8]}")
    kafka.create_topics(topics.pool, topics.writer_status, topics.control)
    service = filewriter(pool_topic=topics.pool, status_topic=topics.writer_status, control_topic=topics.control, flush_interval_s=60)
    with writing_run.add(service) as handle:
        own = Writing(broker=kafka, writer=cast("FileWriterHandle", handle))
        client = FileWriterClient(
            kafka=kafka.kafka, pool_topic=topics.pool, status_topic=topics.writer_status, control_topic=topics.control
        )
        node = compose.group("entry", "NXentry", own.speed(), own.panel())
        job = client.start(compose.nexus_structure(node), "a.nxs", start_time_ms=t)
        job.wait_started()
        own.send(log(t + 1, 5), events(t + 1, [7]))
        deadline_s = time.monotonic() + 60
        while job.wait_status()["written"] < 2:
            assert time.monotonic() < deadline_s
        output = own.writer.output

    with client, pytest.raises(JobFailed, match="stopped before the job's end"):
        job.wait_written()
    assert (output / "a.nxs").stat().st_mode & 0o777 == 0o444
    with entry_of(job) as entry:
        assert read(entry, "speed/value", "panel/event_time_offset") == [[5], [7]]


def test_a_start_up_command_needs_nothing_over_kafka(start_writer: StartWriter) -> None:
    command = {"filename": "at-start.nxs", "nexus_structure": {"children": []}, "start_time": now_ms() - 1000, "stop_time": now_ms()}
    own = start_writer(startup_command=command)

    job_of_file = own.status.expect(where=lambda record: record.schema == "wrdn", within_s=60)
    assert job_of_file.value.file_name == str((own.writer.output / "at-start.nxs").resolve())
    assert not job_of_file.value.error_encountered


def test_options_of_an_ini_are_those_the_writer_uses(start_writer: StartWriter) -> None:
    own = start_writer(ini={"service-name": "my-writer"})

    status = own.status.expect(where=lambda record: record.schema == "x5f2")
    assert status.value.service_id.startswith("my-writer--")
    assert status.value.process_id == own.writer.pid


def test_a_job_whose_kafka_falls_silent_ends_with_an_error() -> None:
    topics = Topics()
    kafka = broker(topics=(topics.pool, topics.writer_status, topics.control))
    with Stack(kafka, filewriter(status_interval_s=STATUS_S, ini={"kafka-error-timeout": "1s"})).run() as run:
        writer = cast("FileWriterHandle", run["filewriter"])
        job = writer.start_job(compose.nexus_structure(), "a.nxs", start_time_ms=now_ms())
        job.wait_started()
        run["broker"].pause()
        deadline_s = time.monotonic() + 60
        while "Kafka did not answer for 1.0 s" not in writer.get_stderr():
            assert time.monotonic() < deadline_s
        run["broker"].resume()

        with pytest.raises(JobFailed, match=r"Kafka did not answer for 1\.0 s"):
            job.wait_written()
        again = writer.start_job(compose.nexus_structure(), "b.nxs", start_time_ms=now_ms() - 10, stop_time_ms=now_ms())
        again.wait_started(within_s=60)
        again.wait_written()


def test_an_acknowledgement_that_comes_in_with_the_heartbeat_makes_a_writer_ready_as_well(tmp_path: Path) -> None:
    ready_file = tmp_path / "ready"
    settings = FileWriterSettings(brokers="127.0.0.1:9", command_status_topic="status", job_pool_topic="pool", ready_file=ready_file)
    writer = FileWriter.on(settings, Kafka(bootstrap=settings.brokers))
    writer._feedback._publisher.heard.add("status")  # taken in before the step looks for it

    writer.step()

    assert ready_file.exists()
    writer._feedback._publisher.heard.clear()  # else it would wait for its last words to arrive
    writer.close()


def test_jobs_that_a_test_leaves_open_are_stopped_at_its_end_and_those_of_a_wider_fixture_go_on(start_writer: StartWriter) -> None:
    first, _second = start_writer(), start_writer()
    writer = first.writer
    kept = writer.start_job(compose.nexus_structure(), "kept-open.nxs", start_time_ms=now_ms())
    kept.wait_started()

    writer.begin_test()
    left = [
        writer.start_job(compose.nexus_structure(), f"left-open-{name}.nxs", start_time_ms=now_ms()) for name in "ab"
    ]  # b waits in the pool
    left[0].wait_started()
    writer.end_test()
    following = writer.start_job(compose.nexus_structure(), "after-those-left.nxs", start_time_ms=now_ms())

    following.wait_started(within_s=60)
    assert [job.state for job in left] == [JobState.WRITTEN, JobState.WRITTEN]
    for job in (following, kept):
        job.stop()
        job.wait_written()


def test_a_job_without_its_topic_says_so_when_it_is_stopped(writing: Writing) -> None:
    structure = compose.nexus_structure(compose.log("p", topic="nonsense", source="VAC:P1"))
    job = writing.writer.start_job(structure, "nonsense.nxs", start_time_ms=now_ms())

    with pytest.raises(JobFailed, match="topic 'nonsense' is missing"):
        job.wait_written()
    with pytest.raises(JobFailed, match="topic 'nonsense' is missing"):
        job.stop(within_s=100)
