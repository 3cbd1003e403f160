"""The jobs of file-writers, followed by their messages: answ, x5f2, wrdn. Pure: messages and times (s since 1970) come in.

A job is NOT_STARTED, then STARTED or REJECTED, then WRITTEN or FAILED, and never goes back. A job that fell silent is FAILED, too, but a
wrdn may still come for it: another writer has finished the file. Only a wrdn makes a job WRITTEN; the answer to a stop does not.
Source: docs/reference/contracts/control.md, "File-writer jobs".
"""

import json
from collections import OrderedDict
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Any

from testbeam.model.runs import ActionOutcome, ActionType, CommandAnswer, WritingFinished
from testbeam.model.status import ServiceStatus

LEEWAY_S = 5.0
DEFAULT_INTERVAL_S = 2.0
KEPT = 10


class JobState(IntEnum):
    """Where a job is; a larger number is later."""

    NOT_STARTED = 0
    STARTED = 1
    REJECTED = 2
    FAILED = 3
    WRITTEN = 4


@dataclass(slots=True, kw_only=True)
class JobRecord:
    """One job; the file's number is `number`. `expected_s` is when the next status has to be there."""

    job_id: str
    number: int
    started_s: float
    file_name: str = ""
    state: JobState = JobState.NOT_STARTED
    service_id: str = ""
    error: str = ""
    stop_requested: bool = False
    stopped_s: float = 0.0
    interval_s: float = DEFAULT_INTERVAL_S
    expected_s: float = float("inf")
    metadata: str = field(default="", repr=False)

    @property
    def in_progress(self) -> bool:
        """Tell whether a new job has to wait: it is started or waited for, or it failed and nobody has stopped it."""
        return self.state in (JobState.NOT_STARTED, JobState.STARTED, JobState.FAILED) and not self.stop_requested

    def as_plain(self) -> dict[str, Any]:
        """Return the record as built-in types, for the cache."""
        plain = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("expected_s", "metadata")}
        return plain | {"state": self.state.name}

    @classmethod
    def from_plain(cls, plain: dict[str, Any], now_s: float) -> "JobRecord":
        """Return a record of an earlier process; its time-out begins anew.

        Raises:
            KeyError, TypeError: the values are of no record.
        """
        record = cls(**{**plain, "state": JobState[plain["state"]]})
        if record.state is JobState.STARTED:
            record.expected_s = now_s + record.interval_s + LEEWAY_S
        return record


class JobTracker:
    """The newest jobs, by id, oldest first."""

    def __init__(self, kept: int = KEPT) -> None:
        self.jobs: OrderedDict[str, JobRecord] = OrderedDict()
        self._kept = kept

    def add(self, record: JobRecord) -> None:
        """Follow a job; do so before its start command is sent, as the answer may come at once."""
        self.jobs[record.job_id] = record
        while len(self.jobs) > self._kept:
            self.jobs.popitem(last=False)

    @property
    def in_progress(self) -> list[JobRecord]:
        """Return the jobs that a new one has to wait for."""
        return [job for job in self.jobs.values() if job.in_progress]

    def request_stop(self, job_id: str, now_s: float) -> None:
        """Note that a job is asked to stop."""
        job = self.jobs[job_id]
        job.stop_requested, job.stopped_s = True, now_s

    def take(self, message: Any, now_s: float) -> JobRecord | None:
        """Take in a message; return the job that it changed, None where it is about none of these."""
        match message:
            case CommandAnswer(job_id=job_id) if job_id in self.jobs:
                return self._answer(self.jobs[job_id], message, now_s)
            case WritingFinished(job_id=job_id) if job_id in self.jobs:
                return self._finished(self.jobs[job_id], message)
            case ServiceStatus():
                return self._status(message, now_s)
        return None

    def look_for_lost(self, now_s: float) -> list[JobRecord]:
        """Fail the jobs whose writer is silent for too long; to be asked only when no message waits to be read."""
        lost = [job for job in self.jobs.values() if job.state is JobState.STARTED and now_s > job.expected_s]
        for job in lost:
            silent_s = now_s - job.expected_s + job.interval_s + LEEWAY_S
            _fail(job, f"the file-writer {job.service_id or ''} has said nothing for {silent_s:.0f} s".replace("  ", " "))
        return lost

    def _answer(self, job: JobRecord, answer: CommandAnswer, now_s: float) -> JobRecord | None:
        if answer.action is ActionType.START_JOB:
            if job.state is not JobState.NOT_STARTED:
                return None
            job.service_id = answer.service_id
            if answer.outcome is ActionOutcome.SUCCESS:
                job.state = JobState.STARTED
                job.expected_s = now_s + job.interval_s + LEEWAY_S
            else:
                job.state, job.error = JobState.REJECTED, answer.message
            return job
        if answer.outcome is ActionOutcome.FAILURE and answer.service_id == job.service_id and job.state is JobState.STARTED:
            job.error = job.error or answer.message
            return job
        return None

    def _finished(self, job: JobRecord, finished: WritingFinished) -> JobRecord | None:
        if job.state in (JobState.WRITTEN, JobState.REJECTED):
            return None
        job.service_id = finished.service_id or job.service_id
        job.file_name = finished.file_name or job.file_name
        job.metadata = finished.message
        if finished.error_encountered:
            _fail(job, finished.message)
            job.stop_requested = True  # the writer has left the job: nothing is to be stopped any more
        else:
            job.state = JobState.WRITTEN
        return job

    def _status(self, status: ServiceStatus, now_s: float) -> JobRecord | None:
        try:
            said = json.loads(status.status_json)
        except ValueError:
            return None
        job = self.jobs.get(said.get("job_id", "")) if isinstance(said, dict) and isinstance(said.get("job_id"), str) else None
        if job is None or job.state not in (JobState.STARTED, JobState.NOT_STARTED):
            return None
        job.interval_s = status.update_interval_ms / 1000 or DEFAULT_INTERVAL_S
        job.expected_s = now_s + job.interval_s + LEEWAY_S
        if job.state is JobState.STARTED and job.service_id == status.service_id:
            return None
        job.state, job.service_id = JobState.STARTED, status.service_id  # its answer was lost, or another writer has taken it up
        return job


def _fail(job: JobRecord, error: str) -> None:
    job.state = JobState.FAILED
    job.error = job.error or error
