import json
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from testbeam.clients.file_writer import FileWriterClient, Job
from testbeam.errors import JobFailed, JobRefused, WaitTimeout
from testbeam.model.runs import ActionOutcome, ActionType, CommandAnswer, RunStart, WritingFinished
from testbeam.model.status import ServiceStatus
from testbeam.tracking.writer_job import JobState
from testbeam.transport.kafka.client import Kafka
from testbeam.wire.flatbuffers.registry import ENCODERS

JOB_ID = "11111111-2222-3333-4444-555555555555"
IDS = {CommandAnswer: "answ", WritingFinished: "wrdn", ServiceStatus: "x5f2"}


class Said:
    """Messages as a reader hands them out, a portion a look."""

    def __init__(self, *values: Any) -> None:
        self.values = deque(values)
        self.closed = 0

    def close(self) -> None:
        self.closed += 1

    def read(self, _most: int, _wait_s: float) -> list["Said"]:
        assert not self.closed
        return [self] if self.values else []

    def value(self) -> bytes:
        value = self.values.popleft()
        return value if isinstance(value, bytes) else ENCODERS[IDS[type(value)]](value)

    def topic(self) -> str:
        return "control"


def job(*values: Any, said: Said | None = None) -> Job:
    start = RunStart(job_id=JOB_ID, filename="a.nxs", nexus_structure="{}", control_topic="control")
    client = FileWriterClient(kafka=Kafka(bootstrap=""), pool_topic="pool", status_topic="status", control_topic="control")
    return Job(client=client, start=start, reader=said or Said(*values))  # type: ignore[arg-type]


def answer(code: int = 201, message: str = "", job_id: str = JOB_ID) -> CommandAnswer:
    outcome = ActionOutcome.SUCCESS if code == 201 else ActionOutcome.FAILURE
    return CommandAnswer(
        service_id="writer",
        job_id=job_id,
        command_id=job_id,
        action=ActionType.START_JOB,
        outcome=outcome,
        message=message,
        status_code=code,
    )


def finished(error: bool = False, message: str = "{}") -> WritingFinished:
    return WritingFinished(service_id="writer", job_id=JOB_ID, error_encountered=error, file_name="/data/a.nxs", message=message)


def status(**content: Any) -> ServiceStatus:
    return ServiceStatus(
        software_name="s",
        software_version="1",
        service_id="writer",
        host_name="h",
        process_id=1,
        update_interval_ms=1,
        status_json=json.dumps(content),
    )


def test_a_job_is_written_once_its_writer_says_so() -> None:
    j = job(answer(), finished(message='{"written": 3}'))

    j.wait_started()
    assert j.state is JobState.STARTED
    assert j.wait_written().file_name == "/data/a.nxs"
    assert (j.state, j.report) == (JobState.WRITTEN, {"written": 3})


def test_messages_of_other_jobs_and_junk_are_passed_over() -> None:
    j = job(answer(500, job_id="99999999-2222-3333-4444-555555555555"), b"junk", b"\0\0\0\0answjunk", answer())

    assert j.wait_started().status_code == 201


def test_a_refusal_is_raised_in_the_words_of_the_writer() -> None:
    with pytest.raises(JobRefused, match=r"a\.nxs: no such folder \(500 of writer\)"):
        job(answer(500, "no such folder")).wait_started()
    with pytest.raises(JobRefused, match="no such folder"):
        job(answer(500, "no such folder")).wait_written()


def test_a_file_finished_with_an_error_is_raised_and_kept() -> None:
    j = job(answer(), finished(error=True, message='{"summary": "disk full"}'))

    with pytest.raises(JobFailed, match=r"/data/a\.nxs: disk full"):
        j.wait_written()
    assert j.finished is not None


def test_a_foreign_writer_whose_message_is_no_json_has_no_report() -> None:
    j = job(answer(), finished(message="all well"))

    assert j.wait_written()
    assert j.report == {}


def test_only_a_status_that_names_the_job_is_its_status() -> None:
    j = job(status(job_id="other"), status(job_id=JOB_ID, received=2))

    assert j.wait_status() == {"job_id": JOB_ID, "received": 2}


def test_the_refusal_of_a_writer_that_had_the_job_is_not_the_answer_of_the_one_that_has_it() -> None:
    taken_up = replace(status(job_id=JOB_ID, state="writing"), service_id="successor")
    refusal = replace(answer(400, "not my job"), action=ActionType.SET_STOP_TIME, command_id="stop")
    j = job(answer(), taken_up, refusal, replace(answer(), service_id="successor", action=ActionType.SET_STOP_TIME, command_id="stop"))

    for _ in range(3):
        j.look()
    assert j.stop_answers == {}
    j.look()
    assert j.stop_answers["stop"].service_id == "successor"


def test_waiting_in_vain_says_what_was_last_seen() -> None:
    with pytest.raises(WaitTimeout, match=r"is waiting: no file-writer answered .* within 0 s; last seen .*status of writer: .*idle"):
        job(status(state="idle")).wait_started(within_s=0)


@pytest.mark.parametrize("end", [[answer(500)], [answer(), finished()], [answer(), finished(error=True)]])
def test_a_job_that_is_over_leaves_the_broker_and_keeps_what_is_known(end: list[Any]) -> None:
    said = Said(*end)
    j = job(said=said)

    for _ in end:
        assert said.closed == 0
        j.look()
    state = j.state
    j.look()
    with suppress(JobFailed, JobRefused):
        j.wait_written()
    j.close()

    assert (said.closed, j.state) == (1, state)


def test_waiting_for_more_of_a_job_that_is_over_ends_at_once() -> None:
    j = job(answer(), finished())
    j.wait_written()

    began_s = time.monotonic()
    with pytest.raises(WaitTimeout, match="is done: no status named the job"):
        j.wait_status(within_s=30)
    assert time.monotonic() - began_s < 5


def test_a_job_that_writes_goes_on_when_another_start_of_its_name_is_refused() -> None:
    j = job(answer(), answer(400, "writes already"), finished())

    for _ in range(3):
        j.look()
    assert j.state is JobState.WRITTEN


def test_a_stop_that_is_answered_after_the_end_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    late = replace(answer(), action=ActionType.SET_STOP_TIME, command_id="", message="late")
    first, second = Said(answer(), finished(), late), Said(late)
    j = job(said=first)
    j.look()
    monkeypatch.setattr(Job, "send_stop", lambda *_, **__: "")
    monkeypatch.setattr(FileWriterClient, "listen", lambda *_: second)

    assert j.stop().message == "late"
    assert (first.closed, second.closed, j.state) == (1, 0, JobState.WRITTEN)
    j.stop_answers.clear()
    assert j.stop().message == "late"
    assert second.closed == 1


def test_the_refusal_of_a_writer_with_another_job_is_no_answer_to_this_job_s_stop() -> None:
    stopped = replace(answer(), action=ActionType.SET_STOP_TIME, command_id="stop")
    other = replace(answer(400, "not mine"), action=ActionType.SET_STOP_TIME, command_id="stop", service_id="other")
    one = job(answer(), stopped, other)

    for _ in range(3):
        one.look()

    assert one.stop_answers["stop"] == stopped


def test_the_writer_that_has_taken_the_job_up_answers_its_stop() -> None:
    taken_up = replace(status(state="writing", job_id=JOB_ID), service_id="successor")
    stopped = replace(answer(), action=ActionType.SET_STOP_TIME, command_id="stop", service_id="successor")
    other = replace(answer(400, "not mine"), action=ActionType.SET_STOP_TIME, command_id="stop", service_id="other")
    one = job(answer(), taken_up, stopped, other)

    for _ in range(4):
        one.look()

    assert one.stop_answers["stop"] == stopped


def test_a_job_that_has_failed_says_why_when_it_is_stopped_and_nobody_is_waited_for() -> None:
    j = job(answer(), finished(error=True, message='{"summary": "topic \'nonsense\' is missing"}'))
    j.wait_started(within_s=0)
    j.look(0)

    with pytest.raises(JobFailed, match="topic 'nonsense' is missing"):
        j.stop(within_s=100)


def test_a_start_that_nobody_answers_names_the_writer_that_still_writes_another_job() -> None:
    busy = status(state="writing", job_id="other", file_being_written="/data/b.nxs")

    with pytest.raises(
        WaitTimeout, match=r"no file-writer answered the start command within 0 s; writer still writes /data/b\.nxs \(job other\)"
    ):
        job(busy).wait_started(within_s=0)
    over = job(busy, status(state="idle", job_id=""))
    over.look(0)
    with pytest.raises(WaitTimeout, match=r"within 0 s; last seen"):
        over.wait_started(within_s=0)
