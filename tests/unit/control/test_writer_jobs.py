"""Jobs of a file-writer by their messages: states go forward only."""

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest

from testbeam.model.runs import ActionOutcome, ActionType, CommandAnswer, WritingFinished
from testbeam.model.status import ServiceStatus
from testbeam.tracking.forwarder import ForwarderTracker
from testbeam.tracking.writer_job import KEPT, JobRecord, JobState, JobTracker


def tracker(job_id: str = "a") -> JobTracker:
    jobs = JobTracker()
    jobs.add(JobRecord(job_id=job_id, number=1, started_s=0))
    return jobs


def state_of(jobs: JobTracker) -> JobState:
    return jobs.jobs["a"].state


def answer(outcome: ActionOutcome = ActionOutcome.SUCCESS, action: ActionType = ActionType.START_JOB, message: str = "") -> CommandAnswer:
    return CommandAnswer(service_id="w", job_id="a", command_id="a", action=action, outcome=outcome, message=message, status_code=201)


def finished(error: bool = False, message: str = "") -> WritingFinished:
    return WritingFinished(service_id="w", job_id="a", error_encountered=error, file_name="/f.hdf", message=message)


def status(job_id: str = "a", interval_ms: int = 2000) -> ServiceStatus:
    said = json.dumps({"state": "writing", "job_id": job_id})
    return ServiceStatus(
        software_name="kafka-to-nexus",
        software_version="1",
        service_id="w",
        host_name="h",
        process_id=1,
        update_interval_ms=interval_ms,
        status_json=said,
    )


def test_a_good_job_is_started_and_written() -> None:
    jobs = tracker()
    assert jobs.take(answer(), 1) is not None
    assert state_of(jobs) is JobState.STARTED
    assert jobs.in_progress
    jobs.request_stop("a", 2)
    assert not jobs.in_progress
    jobs.take(finished(), 3)

    job = jobs.jobs["a"]
    assert (job.state, job.service_id, job.error, job.file_name) == (JobState.WRITTEN, "w", "", "/f.hdf")


def test_a_refused_job_is_rejected_and_in_nobodys_way() -> None:
    jobs = tracker()
    jobs.take(answer(ActionOutcome.FAILURE, message="no topic"), 1)

    assert (jobs.jobs["a"].state, jobs.jobs["a"].error) == (JobState.REJECTED, "no topic")
    assert not jobs.in_progress


def test_a_job_that_another_writer_takes_up_is_that_writer_s() -> None:
    jobs = tracker()
    jobs.take(answer(), 1)

    assert jobs.take(replace(status(), service_id="successor"), 5) is not None
    assert jobs.take(replace(status(), service_id="successor"), 6) is None
    assert (jobs.jobs["a"].service_id, state_of(jobs)) == ("successor", JobState.STARTED)
    jobs.take(answer(ActionOutcome.FAILURE, ActionType.SET_STOP_TIME, "not my job"), 7)  # of the first writer, which has another job by now
    assert jobs.jobs["a"].error == ""


def test_the_answer_to_a_stop_is_not_the_end() -> None:
    jobs = tracker()
    jobs.request_stop("a", 1)
    jobs.take(answer(action=ActionType.SET_STOP_TIME), 2)
    assert state_of(jobs) is JobState.NOT_STARTED

    jobs.take(answer(), 20)  # a writer comes late
    assert state_of(jobs) is JobState.STARTED
    jobs.take(finished(), 21)
    assert state_of(jobs) is JobState.WRITTEN


def test_a_silent_writer_fails_its_job_until_a_stop_and_another_may_still_finish_it() -> None:
    jobs = tracker()
    jobs.take(answer(), 0)
    jobs.take(status(), 10)
    assert jobs.look_for_lost(16.9) == []
    assert [job.job_id for job in jobs.look_for_lost(17.1)] == ["a"]
    assert state_of(jobs) is JobState.FAILED
    assert jobs.in_progress

    jobs.take(finished(), 30)
    assert state_of(jobs) is JobState.WRITTEN


def test_the_first_error_stays() -> None:
    jobs = tracker()
    jobs.take(answer(), 0)
    jobs.look_for_lost(100)
    jobs.take(finished(error=True, message="disk full"), 101)

    assert "said nothing" in jobs.jobs["a"].error


def test_a_failed_file_is_failed_and_over() -> None:
    jobs = tracker()
    jobs.take(answer(), 0)
    jobs.take(finished(error=True, message="disk full"), 1)

    assert (jobs.jobs["a"].state, jobs.jobs["a"].error) == (JobState.FAILED, "disk full")
    assert not jobs.in_progress


def test_a_status_starts_a_job_whose_answer_was_lost() -> None:
    jobs = tracker()
    jobs.take(status(), 1)

    assert state_of(jobs) is JobState.STARTED


@pytest.mark.parametrize("order", list(itertools.permutations(range(5))))
def test_states_never_go_back(order: tuple[int, ...]) -> None:
    messages: list[Any] = [answer(), answer(ActionOutcome.FAILURE, message="no"), status(), finished(error=True, message="x"), finished()]
    jobs, seen = tracker(), [JobState.NOT_STARTED]
    for index in order:
        jobs.take(messages[index], 1)
        seen.append(jobs.jobs["a"].state)

    rank = {JobState.NOT_STARTED: 0, JobState.STARTED: 1, JobState.REJECTED: 2, JobState.FAILED: 2, JobState.WRITTEN: 3}
    assert [rank[state] for state in seen] == sorted(rank[state] for state in seen)


def test_messages_of_others_change_nothing() -> None:
    jobs = tracker("b")

    assert [jobs.take(one, 1) for one in (answer(), finished(), status("c"), "text", None)] == [None] * 5


def test_records_survive_a_restart_with_a_fresh_time_out() -> None:
    jobs = tracker()
    jobs.take(answer(), 0)
    again = JobRecord.from_plain(json.loads(json.dumps(jobs.jobs["a"].as_plain())), now_s=1000)

    assert again.state is JobState.STARTED
    assert 1005 < again.expected_s < 1010


def test_only_the_newest_are_kept() -> None:
    jobs = JobTracker()
    for number in range(KEPT + 5):
        jobs.add(JobRecord(job_id=str(number), number=number, started_s=0))

    assert list(jobs.jobs) == [str(number) for number in range(5, KEPT + 5)]


def forwarder_status(text: str) -> ServiceStatus:
    return ServiceStatus(
        software_name="Forwarder",
        software_version="1",
        service_id="f",
        host_name="h",
        process_id=1,
        update_interval_ms=4000,
        status_json=text,
    )


def test_a_forwarder_is_followed_and_disconnected_when_silent() -> None:
    forwarder = ForwarderTracker()
    assert not forwarder.is_connected(0)
    assert forwarder.take(forwarder_status('{"streams": [{"channel_name": "A"}]}'), 0)

    assert forwarder.channels == {"A"}
    assert forwarder.is_connected(8.9)
    assert not forwarder.is_connected(9.1)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"streams": 5}', '{"streams": [1]}', "{"])
def test_what_is_no_forwarders_status_changes_nothing(text: str) -> None:
    assert not ForwarderTracker().take(forwarder_status(text), 0)
