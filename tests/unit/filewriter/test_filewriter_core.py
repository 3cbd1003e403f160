import json
from dataclasses import replace
from typing import Any

import pytest

from testbeam.model.runs import ActionOutcome, ActionType, RunStart, RunStop
from testbeam.services.filewriter import core

JOB_ID = "11111111-2222-3333-4444-555555555555"
COMMAND_ID = "99999999-2222-3333-4444-555555555555"
START = RunStart(job_id=JOB_ID, filename="a.nxs", nexus_structure="{}", control_topic="control", start_time_ms=1000, stop_time_ms=5000)


def stop(**changes: Any) -> RunStop:
    return replace(RunStop(job_id=JOB_ID, command_id=COMMAND_ID), **changes)


def obey(command: RunStop, *, job: core.Job | None = None, sent_ms: int = 2000, now_ms: int = 2000) -> tuple[core.Job, Any]:
    return core.obey_stop(job or core.take(START, now_ms=1500), command, "writer-1", sent_ms, now_ms)


@pytest.mark.parametrize("name", ["job_id", "nexus_structure", "filename", "control_topic"])
def test_a_start_without_a_needed_field_is_refused_by_its_name(name: str) -> None:
    blank: dict[str, Any] = {name: ""}
    assert name in core.refusal_of(replace(START, **blank))


@pytest.mark.parametrize("job_id", ["invalid id", JOB_ID[:-1], "{" + JOB_ID + "}"])
def test_a_job_id_that_is_no_uuid_is_refused(job_id: str) -> None:
    assert "UUID" in core.refusal_of(replace(START, job_id=job_id))


def test_a_stop_before_the_start_is_refused() -> None:
    assert "before start time" in core.refusal_of(replace(START, stop_time_ms=999))


def test_a_start_beyond_what_ns_can_count_is_refused() -> None:
    assert "2262" in core.refusal_of(replace(START, start_time_ms=2**62, stop_time_ms=0))


def test_start_time_0_is_now_and_stop_time_0_is_never() -> None:
    job = core.take(replace(START, start_time_ms=0, stop_time_ms=0), now_ms=1500)

    assert (job.start_ms, job.stop_ms) == (1500, None)
    assert not job.passed(10**15)


def test_a_stop_without_a_time_stops_when_it_was_sent() -> None:
    job, answer = obey(stop(), sent_ms=2000, now_ms=2500)

    assert job.stop_ms == 2000
    assert (answer.outcome, answer.status_code, answer.action, answer.stop_time_ms) == (
        ActionOutcome.SUCCESS,
        201,
        ActionType.SET_STOP_TIME,
        2000,
    )


def test_a_stop_sent_before_the_start_time_gives_an_empty_window() -> None:
    assert obey(stop(), sent_ms=500)[0].stop_ms == 1000


def test_the_stop_time_may_be_set_again_and_again() -> None:
    job, _ = obey(stop(stop_time_ms=9000))
    job, answer = obey(stop(stop_time_ms=7000), job=job)

    assert (job.stop_ms, answer.status_code) == (7000, 201)


def test_a_stop_after_the_stop_passed_fails() -> None:
    job, answer = obey(stop(stop_time_ms=9000), now_ms=5001)

    assert (job.stop_ms, answer.status_code, answer.outcome) == (5000, 500, ActionOutcome.FAILURE)


@pytest.mark.parametrize("changes", [{"job_id": COMMAND_ID}, {"command_id": ""}, {"command_id": "x"}])
def test_a_stop_with_a_wrong_id_is_answered_with_400_and_not_obeyed(changes: dict[str, str]) -> None:
    job, answer = obey(stop(**changes))

    assert (answer.status_code, job.stop_ms) == (400, 5000)


def test_a_stop_for_another_writer_is_ignored_without_an_answer() -> None:
    job, answer = obey(stop(service_id="writer-2"))

    assert answer is None
    assert job.stop_ms == 5000


@pytest.mark.parametrize("service_id", ["", "writer-1"])
def test_a_stop_for_any_writer_or_this_one_is_obeyed(service_id: str) -> None:
    assert obey(stop(service_id=service_id))[1].status_code == 201


def test_a_stop_of_another_job_from_before_ours_is_not_ours_to_answer() -> None:
    assert obey(stop(job_id=COMMAND_ID), sent_ms=1400)[1] is None


def test_the_status_has_the_fields_the_field_reads() -> None:
    assert core.status(None)["job_id"] == "not_currently_writing"
    status = core.status(core.take(START, 1500), "/data/a.nxs", received=3)
    assert status == {
        "state": "writing",
        "job_id": JOB_ID,
        "file_being_written": "/data/a.nxs",
        "start_time": 1000,
        "stop_time": 5000,
        "received": 3,
    }


def test_the_report_is_json_with_a_sentence_for_people() -> None:
    job = core.take(START, 1500)

    assert json.loads(core.report(job, "", 0, received=5, written=4))["summary"] == "wrote 4 of 5 messages"
    assert json.loads(core.report(job, "disk full", 0, received=5, written=4))["summary"] == "disk full"
