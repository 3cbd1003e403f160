"""Jobs and workers as a client tracks them by heartbeats and answers."""

from dataclasses import replace

import pytest

from testbeam.model.live import (
    Answer,
    JobAction,
    JobCommand,
    JobId,
    JobState,
    JobStatus,
    ResultKey,
    ServiceState,
    StartJob,
    WorkerStatus,
    WorkflowId,
)
from testbeam.tracking.livedata import AGAIN_S, EXPIRY_S, JOB_STALE_S, MOST_DEAD_WORKERS, MOST_KEPT, WORKER_STALE_S, LiveJobs

VIEW = WorkflowId(instrument="dummy", name="panel_0_xy")


def _job(number: str, source: str = "panel_0") -> JobId:
    return JobId(source_name=source, job_number=number)


def _status(number: str, state: JobState = JobState.ACTIVE) -> JobStatus:
    return JobStatus(job_id=_job(number), workflow_id=VIEW, state=state)


def _start(number: str, *sources: str) -> list[StartJob]:
    return [StartJob(workflow_id=VIEW, job_id=_job(number, source), message_id="m") for source in sources or ("panel_0",)]


def _result(number: str) -> ResultKey:
    return ResultKey(workflow_id=VIEW, job_id=_job(number), output_name="cumulative")


def _worker(worker: str, state: ServiceState = ServiceState.RUNNING, stats: dict[str, object] | None = None) -> WorkerStatus:
    return WorkerStatus(
        instrument="dummy",
        service_name="detector_data",
        worker_id=worker,
        state=state,
        started_at_ns=0,
        active_job_count=0,
        stream_stats=stats,
    )


def _stop(number: str) -> JobCommand:
    return JobCommand(action=JobAction.STOP, message_id="s", job_id=_job(number), workflow_id=VIEW)


def test_a_running_job_is_adopted_and_its_results_are_admitted() -> None:
    jobs = LiveJobs()
    assert not jobs.admits(_result("a"))
    jobs.job_status(_status("a"), 0)
    assert jobs.admits(_result("a"))
    assert jobs.current_job(VIEW, "panel_0") == _job("a")


@pytest.mark.parametrize("state", [JobState.STOPPED, JobState.FINISHING])
def test_a_job_that_ends_is_not_adopted(state: JobState) -> None:
    jobs = LiveJobs()
    jobs.job_status(_status("a", state), 0)
    assert jobs.current_job(VIEW, "panel_0") is None


def test_an_own_start_takes_the_place_of_an_older_job_whatever_its_heartbeats_say() -> None:
    jobs = LiveJobs()
    jobs.job_status(_status("a"), 0)
    jobs.start(_start("b"), 1)
    jobs.job_status(_status("a"), 2)
    assert not jobs.admits(_result("a"))
    assert jobs.admits(_result("b"))


def test_a_stop_that_was_lost_is_sent_again_once_in_a_while_until_the_job_ends() -> None:
    jobs = LiveJobs()
    jobs.start(_start("a"), 0)
    jobs.command(_stop("a"), [_job("a")], 1)
    assert not jobs.admits(_result("a"))
    assert jobs.job_status(_status("a"), 1 + AGAIN_S / 2) is None
    again = jobs.job_status(_status("a"), 1 + AGAIN_S)
    assert again is not None
    assert (again.action, again.job_id) == (JobAction.STOP, _job("a"))
    assert jobs.job_status(_status("a"), 1.5 + AGAIN_S) is None
    assert jobs.job_status(_status("a", JobState.STOPPED), 2 + 2 * AGAIN_S) is None
    assert jobs.current_job(VIEW, "panel_0") is None


def test_a_start_of_several_sources_is_answered_when_each_has_answered() -> None:
    jobs = LiveJobs()
    jobs.start(_start("a", "panel_0", "panel_1"), 0)
    jobs.answer(Answer(message_id="m", device="panel_0"))
    before = jobs.pending["m"].is_answered
    jobs.answer(Answer(message_id="m", device="panel_1", error="no such source"))
    assert (before, jobs.pending["m"].is_answered) == (False, True)
    assert jobs.pending["m"].problem == "panel_1: no such source"
    assert len(jobs.notifications) == 1


def test_a_command_that_nobody_answers_is_given_up_with_one_notification() -> None:
    jobs = LiveJobs()
    jobs.start(_start("a"), 0)
    jobs.expire(EXPIRY_S)
    assert not jobs.notifications
    jobs.expire(EXPIRY_S + 1)
    jobs.expire(EXPIRY_S + 2)
    (told,) = jobs.notifications
    assert "no answer of panel_0" in told


def test_answers_to_others_are_let_go() -> None:
    jobs = LiveJobs()
    jobs.answer(Answer(message_id="theirs", device="panel_0", error="no"))
    jobs.answer(Answer(message_id=None, device="panel_0", error="no"))
    assert not jobs.notifications


def test_jobs_and_workers_grow_stale() -> None:
    jobs = LiveJobs()
    jobs.job_status(_status("a"), 0)
    jobs.worker_status(_worker("w"), 0)
    place = ("detector_data", "w")
    assert not jobs.is_job_stale(_job("a"), JOB_STALE_S)
    assert jobs.is_job_stale(_job("a"), JOB_STALE_S + 1)
    assert not jobs.is_worker_stale(place, WORKER_STALE_S)
    assert jobs.is_worker_stale(place, WORKER_STALE_S + 1)
    jobs.worker_status(_worker("w", ServiceState.STOPPED), 0)
    assert jobs.is_worker_stale(place, 0)


def test_few_dead_workers_of_a_service_are_kept_the_last_that_were_heard_of() -> None:
    jobs = LiveJobs()
    for n in range(MOST_DEAD_WORKERS + 3):
        jobs.worker_status(_worker(f"w{n}", ServiceState.STOPPED), n)
    assert [worker for _, worker in jobs.workers] == ["w3", "w4", "w5"]


def test_statistics_stay_where_a_heartbeat_has_none() -> None:
    jobs = LiveJobs()
    jobs.worker_status(_worker("w", stats={"streams": 3}), 0)
    jobs.worker_status(_worker("w"), 2)
    assert jobs.workers["detector_data", "w"].stream_stats == {"streams": 3}


def test_a_client_of_many_days_keeps_the_newest_of_what_is_over() -> None:
    jobs = LiveJobs()
    waiting = replace(_start("waits")[0], message_id="waits")
    jobs.start([waiting], 0)
    for n in range(3 * MOST_KEPT):
        jobs.start([replace(_start(f"{n}")[0], message_id=f"m-{n}")], 0)
        jobs.answer(Answer(message_id=f"m-{n}", device="panel_0", error="no"))
        jobs.job_status(_status(f"{n}", JobState.STOPPED), 0)

    assert len(jobs.pending) <= MOST_KEPT + 2
    assert "waits" in jobs.pending
    assert f"m-{3 * MOST_KEPT - 1}" in jobs.pending
    assert len(jobs.notifications) == MOST_KEPT
    assert len(jobs.statuses) <= MOST_KEPT + 1
    assert _job(f"{3 * MOST_KEPT - 1}") in jobs.statuses
