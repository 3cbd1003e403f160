"""Decisions of the file-writer about commands: take a job or refuse it, obey a stop or not, and in which words.

Pure: times come in as arguments (ms since 1970), values go out. Source: docs/reference/contracts/filewriter.md, "Job flow".
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from testbeam.model.runs import ActionOutcome, ActionType, CommandAnswer, RunStart, RunStop
from testbeam.model.time import MS_PER_S, NS_PER_MS

IDLE_JOB_ID = "not_currently_writing"
CREATED, BAD_REQUEST, FAILED = 201, 400, 500
_LATEST_MS = (2**63 - 1) // NS_PER_MS  # what fits into ns: a day in 2262
_MOST_TOPIC = 249  # characters of a topic's name
_MOST_WARNINGS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as taken; `stop_ms` None is "until stopped". `taken_ms`: commands for other jobs from before are not ours to answer.

    service_ids: of the writers that had it before, to whose names it answers, too.
    """

    start: RunStart
    start_ms: int
    stop_ms: int | None
    taken_ms: int
    service_ids: tuple[str, ...] = ()

    @property
    def job_id(self) -> str:
        """Return its UUID."""
        return self.start.job_id

    def passed(self, now_ms: int) -> bool:
        """Tell whether its stop time is over."""
        return self.stop_ms is not None and now_ms > self.stop_ms


def refusal_of(start: RunStart) -> str:
    """Return why a start command can't be obeyed, or "" where it can."""
    for name in ("job_id", "nexus_structure", "filename", "control_topic"):
        if not getattr(start, name):
            return f"the start command has no {name}"
    if not _is_uuid(start.job_id):
        return f"job id {shown(start.job_id)} is not a UUID"
    if len(start.control_topic) > _MOST_TOPIC:
        return f"control topic {shown(start.control_topic)} has {len(start.control_topic)} characters; a topic has at most {_MOST_TOPIC}"
    if start.start_time_ms > _LATEST_MS:
        return f"start time {start.start_time_ms} ms is after the year 2262; times are ms since 1970"
    if start.stop_time_ms and start.stop_time_ms < start.start_time_ms:
        return f"stop time {start.stop_time_ms} ms is before start time {start.start_time_ms} ms"
    return ""


def shown(text: str, most: int = 100) -> str:
    """Return a text as a log or an answer shows it: on one line, without control characters, and not without end."""
    return repr(text if len(text) <= most else f"{text[:most]}…")


def take(start: RunStart, now_ms: int) -> Job:
    """Return the job of a start command: 0 means "now" as start time, "never" as stop time."""
    return Job(start=start, start_ms=start.start_time_ms or now_ms, stop_ms=start.stop_time_ms or None, taken_ms=now_ms)


def answer_start(start: RunStart, service_id: str, status_code: int, message: str) -> CommandAnswer:
    """Return the answer to a start command; anything but 201 is a failure."""
    return CommandAnswer(
        service_id=service_id,
        job_id=start.job_id,
        command_id=start.job_id,
        action=ActionType.START_JOB,
        outcome=_outcome(status_code),
        message=message,
        status_code=status_code,
        stop_time_ms=start.stop_time_ms,
    )


def obey_stop(job: Job, stop: RunStop, service_id: str, sent_ms: int, now_ms: int, data_ms: int = 0) -> tuple[Job, CommandAnswer | None]:
    """Return the job after a stop command, and the answer; none where the command is not for us to answer.

    `sent_ms` is the command's Kafka time: a stop without a time means that moment, also when it is read later.
    `data_ms`: the newest payload time so far; where the command seems to come from before the start, the stop is not before that.
    """
    if stop.service_id and stop.service_id not in (service_id, *job.service_ids):
        return job, None
    if stop.job_id != job.job_id and sent_ms < job.taken_ms:
        return job, None
    code, message, stop_ms = _stop_verdict(job, stop, sent_ms, now_ms, data_ms)
    if code == CREATED:
        job = replace(job, stop_ms=stop_ms)
    answer = CommandAnswer(
        service_id=service_id,
        job_id=stop.job_id,
        command_id=stop.command_id,
        action=ActionType.SET_STOP_TIME,
        outcome=_outcome(code),
        message=message,
        status_code=code,
        stop_time_ms=stop_ms,
    )
    return job, answer


def status(job: Job | None, file_name: str = "", **more: Any) -> Mapping[str, Any]:
    """Return what the x5f2 says in its JSON."""
    if job is None:
        return {"state": "idle", "job_id": IDLE_JOB_ID, "file_being_written": "", "start_time": 0, "stop_time": 0, **more}
    return {
        "state": "writing",
        "job_id": job.job_id,
        "file_being_written": file_name,
        "start_time": job.start_ms,
        "stop_time": job.stop_ms or 0,
        **more,
    }


def report(job: Job, error: str, end_ms: int, **counts: Any) -> str:
    """Return the message of the wrdn: a JSON object with a sentence for people and counts for programs; `end_ms` is the real end."""
    summary = error or f"wrote {counts.get('written', 0)} of {counts.get('received', 0)} messages"
    return json.dumps({"summary": summary, "start_time": job.start_ms, "stop_time": job.stop_ms or 0, "end_time": end_ms, **counts})


def bounded(warnings: Sequence[str]) -> list[str]:
    """Return the first of the warnings, and how many more there are: they go into every status."""
    first = [warning if len(warning) <= 500 else f"{warning[:500]}…" for warning in warnings[:_MOST_WARNINGS]]
    return [*first, f"and {len(warnings) - _MOST_WARNINGS} more"] if len(warnings) > _MOST_WARNINGS else first


def _stop_verdict(job: Job, stop: RunStop, sent_ms: int, now_ms: int, data_ms: int) -> tuple[int, str, int]:
    if stop.job_id != job.job_id:
        return BAD_REQUEST, f"job id {shown(stop.job_id)} is not that of the job being written, {job.job_id}", 0
    if not _is_uuid(stop.command_id):
        return BAD_REQUEST, f"command id {shown(stop.command_id)} is not a UUID", 0
    if job.passed(now_ms):
        return FAILED, f"the stop time, {job.stop_ms} ms, has passed: the job is being finished", job.stop_ms or 0
    if stop.stop_time_ms:
        return CREATED, f"the stop time is {stop.stop_time_ms} ms", stop.stop_time_ms
    if sent_ms < job.start_ms <= now_ms:
        ahead_s = (job.start_ms - sent_ms) / MS_PER_S
        said = f"the job is being stopped now; the command is from {ahead_s:g} s before the start: sent so early, or a clock is wrong"
        return CREATED, said, max(job.start_ms, min(data_ms, now_ms))
    return CREATED, "the job is being stopped now", max(min(sent_ms, now_ms), job.start_ms)


def _outcome(status_code: int) -> ActionOutcome:
    return ActionOutcome.SUCCESS if status_code == CREATED else ActionOutcome.FAILURE


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
