"""Which job a file belongs to, and its window, from what was said about it."""

import json
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest

from testbeam.audit.job import choose, find_starts, job_of
from testbeam.errors import AuditError
from testbeam.model.runs import ActionOutcome, ActionType, CommandAnswer, RunStart, WritingFinished
from testbeam.model.status import ServiceStatus

FILE = PurePosixPath("/data/runs/a.nxs")


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


def finished(message: str, *, error: bool = False, job_id: str = "job-1", file_name: str = "a.nxs") -> WritingFinished:
    return WritingFinished(service_id="w", job_id=job_id, error_encountered=error, file_name=file_name, message=message)


def start_answer(job_id: str, outcome: ActionOutcome = ActionOutcome.SUCCESS) -> CommandAnswer:
    return CommandAnswer(
        service_id="w", job_id=job_id, command_id=job_id, action=ActionType.START_JOB, outcome=outcome, message="", status_code=201
    )


def test_start_commands_for_the_file_are_found_in_their_order() -> None:
    older, newer = start("job-1"), start("job-2")

    assert find_starts([older, newer, start("job-3", "b.nxs")], file=FILE) == [older, newer]


@pytest.mark.parametrize(
    "said",
    [
        [start_answer("job-1"), start_answer("job-2", ActionOutcome.FAILURE)],
        [start_answer("job-1"), stop_answer(3_000, job_id="job-2")],
        [finished("done")],
    ],
)
def test_a_start_command_that_was_refused_does_not_hide_the_one_that_was_obeyed(said: list[Any]) -> None:
    starts = [start("job-1"), start("job-2")]

    assert choose(starts, said).job_id == "job-1"


@pytest.mark.parametrize("said", [[], [start_answer("job-1"), start_answer("job-2")]])
def test_of_start_commands_that_fared_alike_the_newest_counts(said: list[Any]) -> None:
    assert choose([start("job-1"), start("job-2")], said).job_id == "job-2"


def test_the_command_that_names_more_of_the_path_goes_before_a_newer_one() -> None:
    starts = [start("job-1", "runs/a.nxs"), start("job-2", "a.nxs")]

    assert choose(starts, []).job_id == "job-1"
    assert choose(starts, [start_answer("job-2")]).job_id == "job-2"


def test_the_job_that_was_said_to_have_written_this_very_file_goes_before_all() -> None:
    starts = [start("job-1", "a.nxs"), start("job-2", "runs/a.nxs")]

    assert choose(starts, [finished("done", file_name=str(FILE)), start_answer("job-2")], FILE).job_id == "job-1"


def test_a_job_id_is_taken_before_the_name_of_the_file() -> None:
    first = start("job-1")

    assert find_starts([first, start("job-2")], job_id="job-1", file=FILE) == [first]


def test_another_folder_is_another_file() -> None:
    with pytest.raises(AuditError, match=r"job that writes .*other/a.nxs is not on the topics.*job-1 \(runs/a.nxs\)"):
        find_starts([start()], file=PurePosixPath("/data/other/a.nxs"))


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


def test_a_job_that_failed_before_it_had_a_stop_time_is_said_to_have_failed() -> None:
    message = json.dumps({"summary": "Kafka did not answer for 30 s", "start_time": 1_500, "stop_time": 0})

    with pytest.raises(AuditError, match=r"job-1 ended with an error: Kafka did not answer for 30 s; it had no stop time"):
        job_of(start(start_ms=0, stop_ms=0), [finished(message, error=True)])


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ([finished('{"summary": "disk full"}', error=True)], "disk full"),
        ([finished("disk full", error=True)], "disk full"),
        ([finished("", error=True)], "the file-writer did not say which"),
        ([finished("wrote 3 of 3 messages")], ""),
        ([finished("disk full", error=True, job_id="job-2")], ""),
        ([], ""),
    ],
)
def test_the_error_with_which_a_job_ended_is_kept(said: list[Any], error: str) -> None:
    assert job_of(start(), said).error == error


def test_of_two_commands_with_one_id_the_one_that_the_writer_repeated_before_its_answer_counts() -> None:
    obeyed = start()
    refused = replace(obeyed, nexus_structure='{"children": []}')
    said = [obeyed, start_answer("job-1"), refused, start_answer("job-1", ActionOutcome.FAILURE), finished("")]

    assert choose([obeyed, refused], said, FILE) is obeyed


def test_two_commands_with_one_id_of_which_nobody_said_which_was_obeyed_are_both_named() -> None:
    commands = [start(), replace(start(), nexus_structure='{"children": []}')]

    with pytest.raises(AuditError, match=r"several start commands have the id job-1.*2 characters of structure.*16 characters"):
        choose(commands, [finished("")], FILE)
