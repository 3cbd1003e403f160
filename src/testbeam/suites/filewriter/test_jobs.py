"""Tests of jobs: what the writer says and does about them, from idle to idle."""

import uuid

import h5py
import pytest

from testbeam.clients.records import Record
from testbeam.errors import JobRefused, WaitTimeout
from testbeam.model.deadline import Deadline
from testbeam.model.runs import ActionOutcome, RunStart
from testbeam.nexus import compose
from testbeam.suites.filewriter.jobs import STATUS_S, Writing, now_ms, status_of
from testbeam.tracking.writer_job import JobState
from testbeam.wire.flatbuffers.schemas.run_start_pl72 import encode_pl72


def test_an_idle_writer_tells_its_status_at_its_interval(writing: Writing) -> None:
    with writing.status.tail() as tail:
        deadline = Deadline(10 * STATUS_S)
        statuses: list[Record] = []
        while len(statuses) < 3 and not deadline.passed:
            statuses += [record for record in tail.read() if record.schema == "x5f2"]

    assert [status_of(record)["state"] for record in statuses[:3]] == ["idle"] * 3
    assert status_of(statuses[0])["job_id"] == "not_currently_writing"
    assert statuses[0].value.update_interval_ms == STATUS_S * 1000
    assert statuses[2].timestamp_ms - statuses[0].timestamp_ms >= 1.5 * STATUS_S * 1000


def test_a_blank_file_gives_echo_answer_status_stop_answer_and_finished(writing: Writing) -> None:
    job = writing.start(start_time_ms=now_ms(), metadata='{"hello": 123}')
    answer = job.wait_started()
    status = job.wait_status()
    job.stop()
    finished = job.wait_written()

    assert writing.schemas() == ["pl72", "answ", "x5f2", "6s4t", "answ", "wrdn"]
    assert (answer.status_code, answer.command_id) == (201, job.job_id)
    assert (status["state"], status["job_id"]) == ("writing", job.job_id)
    assert status["file_being_written"] == finished.file_name == str(writing.path().resolve())
    assert (finished.metadata, finished.error_encountered, job.state) == ('{"hello": 123}', False, JobState.WRITTEN)
    assert writing.said()[0].payload == encode_pl72(job.start)


def test_the_file_is_closed_and_read_only_when_it_is_announced(writing: Writing) -> None:
    job = writing.write(start_time_ms=now_ms() - 1000, stop_time_ms=now_ms())

    with h5py.File(writing.path()) as file:  # fails while a writer has it open
        assert file["entry"].attrs["NX_class"] == "NXentry"
    assert writing.path().stat().st_mode & 0o777 == 0o444
    assert not writing.is_ours or job.report["written"] == 0


def test_the_writer_rejoins_the_pool_and_forgets_the_stop_time(writing: Writing) -> None:
    writing.write(start_time_ms=now_ms() - 1000, stop_time_ms=now_ms() - 500)
    job = writing.start(name="b", start_time_ms=now_ms() - 1000)
    job.wait_started()

    assert job.wait_status()["stop_time"] == 0
    job.look(1.0)
    assert job.state is JobState.STARTED
    job.stop()
    job.wait_written()


def test_a_stop_sent_right_after_the_start_is_obeyed(writing: Writing) -> None:
    job = writing.start(start_time_ms=now_ms())
    job.send_stop()

    job.wait_written()
    assert [answer.outcome for answer in job.stop_answers.values()] == [ActionOutcome.SUCCESS]


def test_the_stop_time_may_be_set_again_but_not_once_it_has_passed(writing: Writing) -> None:
    job = writing.start(writing.speed(), start_time_ms=now_ms())  # late data are waited for, in which time there is still a job
    job.wait_started()

    assert job.stop(at_ms=now_ms() + 60_000).status_code == 201
    far_ms = now_ms() + 30_000
    assert job.stop(at_ms=far_ms).stop_time_ms == far_ms
    job.stop()
    with pytest.raises(JobRefused, match="has passed"):
        job.stop()
    job.wait_written()


def test_commands_with_wrong_ids_are_refused_or_ignored_and_the_job_goes_on(writing: Writing) -> None:
    job = writing.start(start_time_ms=now_ms())
    job.wait_started()

    wrong_job = job.send_stop(job_id=str(uuid.uuid4()))
    wrong_command = job.send_stop(command_id="no uuid")
    job.send_stop(service_id="another writer")
    right = job.stop(at_ms=now_ms() + 60_000, service_id=job.started.service_id if job.started else "")

    assert {job.stop_answers[command].status_code for command in (wrong_job, wrong_command)} == {400}
    assert len(job.stop_answers) == 3
    assert right.status_code == 201
    assert job.state is JobState.STARTED
    job.stop()
    job.wait_written()


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"job_id": "invalid id"}, 400, "UUID"),
        ({"nexus_structure": ""}, 400, "nexus_structure"),
        ({"control_topic": ""}, 400, "control_topic"),
        ({"nexus_structure": '{"children": ['}, 500, "NeXus structure JSON"),
        ({"nexus_structure": compose.nexus_structure(compose.stream("zz99", topic="t", source="s"))}, 500, "unknown module 'zz99'"),
        ({"filename": "missing/folder.nxs"}, 500, "does not exist"),
        ({"filename": "../outside.nxs"}, 500, "is not inside"),
        ({"control_topic": "not-there"}, 500, "not-there"),
    ],
)
def test_a_start_that_cant_be_obeyed_is_echoed_and_refused_on_the_status_topic(
    writing: Writing, changes: dict[str, str], code: int, reason: str
) -> None:
    start = RunStart(
        **{  # type: ignore[arg-type]
            "job_id": str(uuid.uuid4()),
            "filename": f"{writing.prefix}.nxs",
            "nexus_structure": "{}",
            "control_topic": writing.control.name,
            **changes,
        }
    )
    with writing.status.tail() as tail:
        writing.client.send(writing.client.pool_topic, encode_pl72(start))
        said: list[Record] = []
        deadline = Deadline(10)
        while "answ" not in [record.schema for record in said] and not deadline.passed:
            said += [record for record in tail.read() if record.schema != "x5f2"]

    assert [record.schema for record in said] == ["pl72", "answ"]
    answer = said[1].value
    assert (answer.outcome, answer.status_code, answer.job_id) == (ActionOutcome.FAILURE, code, start.job_id)
    assert reason in answer.message
    assert not list(writing.writer.output.glob(f"{writing.prefix}*"))


def test_an_existing_file_is_never_overwritten(writing: Writing) -> None:
    writing.write(start_time_ms=now_ms() - 1000, stop_time_ms=now_ms())
    before = writing.path().read_bytes()

    with pytest.raises(JobRefused, match="exists already"):
        writing.start().wait_started()
    assert writing.path().read_bytes() == before


def test_a_topic_that_is_missing_ends_the_job_with_an_error_that_names_its_sources(writing: Writing) -> None:
    streams = [compose.log(name, topic="not-there", source=name) for name in ("A", "B")]
    job = writing.start(*streams, start_time_ms=now_ms())
    job.wait_started()

    with pytest.raises(Exception, match=r"'not-there' is missing.*A, B"):
        job.wait_written()
    assert job.state is JobState.FAILED


def test_a_job_that_nobody_takes_is_reported_with_what_was_seen(writing: Writing) -> None:
    job = writing.client.follow(
        RunStart(job_id=str(uuid.uuid4()), filename="never.nxs", nexus_structure="{}", control_topic=writing.control.name)
    )

    with pytest.raises(WaitTimeout, match=r"never\.nxs\) is waiting: no file-writer answered .* within 0\.8 s; last seen .*status of"):
        job.wait_started(within_s=0.8)
