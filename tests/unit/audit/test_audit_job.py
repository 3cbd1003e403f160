"""Which job a file belongs to, and its window, from what was said about it."""

import json
from pathlib import PurePosixPath
from typing import Any

import pytest

from testbeam.audit.job import find_start, job_of
from testbeam.errors import AuditError
from testbeam.model.runs import ActionOutcome, ActionType, CommandAnswer, RunStart, WritingFinished
from testbeam.model.status import ServiceStatus


def start(job_id: str = "job-1", filename: str = "runs/a.nxs", start_ms: int = 1_000, stop_ms: int = 2_000) -> RunStart:
    return RunStart(job_id=job_id, filename=filename, nexus_structure="{}", start_time_ms=start_ms, stop_time_ms=stop_ms)


def stop_answer(stop_ms: int, outcome: ActionOutcome = ActionOutcome.SUCCESS, job_id: str = "job-1") -> CommandAnswer:
    return CommandAnswer(
        service_id="w",
        job_id=job_id,
        command_id="c",
        action=ActionType.SET_STOP_TIME,
        outcome=outcome,
        message="",
        status_code=201,
        stop_time_ms=stop_ms,
    )


def status(text: str) -> ServiceStatus:
    return ServiceStatus(
        software_name="w", software_version="1", service_id="w", host_name="h", process_id=1, update_interval_ms=1, status_json=text
    )


def writing(start_ms: int, stop_ms: int = 0, job_id: str = "job-1") -> ServiceStatus:
    return status(json.dumps({"state": "writing", "job_id": job_id, "start_time": start_ms, "stop_time": stop_ms}))


def finished(message: str) -> WritingFinished:
    return WritingFinished(service_id="w", job_id="job-1", error_encountered=False, file_name="a.nxs", message=message)


def test_the_newest_start_command_for_the_file_counts() -> None:
    older, newer = start("job-1"), start("job-2")

    assert find_start([older, newer, start("job-3", "b.nxs")], file=PurePosixPath("/data/runs/a.nxs")) is newer


def test_a_job_id_is_taken_before_the_name_of_the_file() -> None:
    first = start("job-1")

    assert find_start([first, start("job-2")], job_id="job-1", file=PurePosixPath("/data/runs/a.nxs")) is first


def test_another_folder_is_another_file() -> None:
    with pytest.raises(AuditError, match=r"job that writes .*other/a.nxs is not on the topics.*job-1 \(runs/a.nxs\)"):
        find_start([start()], file=PurePosixPath("/data/other/a.nxs"))


def test_given_times_are_taken_as_given() -> None:
    job = job_of(start(), [])

    assert (job.start_ms, job.stop_ms, job.start_ns, job.stop_ns) == (1_000, 2_000, 1_000_000_000, 2_000_000_000)


def test_the_last_stop_that_a_writer_obeyed_counts() -> None:
    said = [stop_answer(3_000), stop_answer(4_000), stop_answer(5_000, ActionOutcome.FAILURE), stop_answer(6_000, job_id="job-2")]

    assert job_of(start(), said).stop_ms == 4_000


@pytest.mark.parametrize(
    "said",
    [
        [writing(1_500), writing(1_500, 2_500)],
        [writing(7, 8, "job-2"), writing(1_500, 2_500)],
        [writing(1_500), stop_answer(2_500)],
        [finished('{"start_time": 1500, "stop_time": 2500}')],
    ],
)
def test_now_and_until_stopped_are_read_off_what_the_writer_said(said: list[Any]) -> None:
    job = job_of(start(start_ms=0, stop_ms=0), said)

    assert (job.start_ms, job.stop_ms) == (1_500, 2_500)


@pytest.mark.parametrize("said", [[], [finished("done")], [finished("[1]")], [status("no JSON")], [writing(1_500)]])
def test_a_job_that_is_not_over_can_not_be_audited(said: list[Any]) -> None:
    with pytest.raises(AuditError, match=r"job-1 has no (start|stop) time yet"):
        job_of(start(start_ms=0, stop_ms=0), said)
