"""Live-data jobs and workers as their heartbeats, answers and results tell of them, and as one client has asked for.

For each workflow and source one job number is current: that of the client's own last start, else that of a running job seen in
heartbeats, which is adopted. Results of any other number are of an older generation and not admitted.

Monotonic seconds come from the caller.
Source: docs/reference/contracts/livedata.md, "Heartbeats".
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

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

WORKER_STALE_S = 30.0
JOB_STALE_S = 60.0
EXPIRY_S = 30.0
AGAIN_S = 3.0  # after a stop, for heartbeats that were under way
MOST_DEAD_WORKERS = 3
MOST_KEPT = 1_000  # each of commands that are over, notifications, and jobs that have ended
_ENDED = (JobState.STOPPED, JobState.FINISHING)


@dataclass(slots=True)
class Pending:
    """A command that waits for answers, one a source."""

    message_id: str
    what: str
    expected: set[str]
    sent_s: float
    answers: dict[str, Answer] = field(default_factory=dict)
    is_expired: bool = False

    @property
    def is_answered(self) -> bool:
        """Return whether all have answered."""
        return not self.expected - set(self.answers)

    @property
    def errors(self) -> dict[str, str]:
        """Return the reasons of refusal by device."""
        return {device: answer.error for device, answer in self.answers.items() if answer.error}

    @property
    def problem(self) -> str:
        """Return what went wrong, "" for nothing so far."""
        if self.errors:
            return "; ".join(f"{device}: {error}" for device, error in sorted(self.errors.items()))
        silent = ", ".join(sorted(self.expected - set(self.answers)))
        return f"{self.what}: no answer of {silent} within {EXPIRY_S:g} s; is a worker running that serves it?" if self.is_expired else ""


@dataclass(slots=True)
class LiveJobs:
    """What a client knows of jobs and workers."""

    statuses: dict[JobId, JobStatus] = field(default_factory=dict)
    workers: dict[tuple[str, str], WorkerStatus] = field(default_factory=dict)  # by service and worker
    pending: dict[str, Pending] = field(default_factory=dict)
    notifications: list[str] = field(default_factory=list)
    _current: dict[tuple[WorkflowId, str], str] = field(default_factory=dict)  # workflow and source → job number
    _stopped: dict[JobId, float] = field(default_factory=dict)  # when asked for
    _seen_jobs: dict[JobId, float] = field(default_factory=dict)
    _seen_workers: dict[tuple[str, str], float] = field(default_factory=dict)

    def start(self, commands: Iterable[StartJob], now_s: float) -> tuple[JobId, ...]:
        """Note starts that are sent, with one message id; their jobs are current from now on."""
        commands = tuple(commands)
        for one in commands:
            self._current[one.workflow_id, one.job_id.source_name] = one.job_id.job_number
        self._wait(commands[0].message_id, f"start of {commands[0].workflow_id}", {one.job_id.source_name for one in commands}, now_s)
        return tuple(one.job_id for one in commands)

    def command(self, command: JobCommand, job_ids: Iterable[JobId], now_s: float) -> None:
        """Note a command to jobs that is sent."""
        if command.action is JobAction.STOP:
            for job_id in job_ids:
                self._stopped[job_id] = now_s
                self._forget(job_id)
        device = "all" if command.job_id is None else str(command.job_id)
        self._wait(command.message_id, f"{command.action} of {command.job_id or command.workflow_id}", {device}, now_s)

    def answer(self, answer: Answer) -> None:
        """Note an answer; those to others are let go."""
        waiting = self.pending.get(answer.message_id or "")
        if waiting is not None:
            waiting.answers[answer.device] = answer
            if answer.error:
                self._notify(f"{waiting.what}: {answer.device}: {answer.error}")

    def job_status(self, status: JobStatus, now_s: float) -> JobCommand | None:
        """Note a job's heartbeat; return the stop to be sent again where one was lost."""
        self.statuses[status.job_id] = status
        self._seen_jobs[status.job_id] = now_s
        place = status.workflow_id, status.job_id.source_name
        asked_s = self._stopped.get(status.job_id)
        if status.state in _ENDED:
            self._stopped.pop(status.job_id, None)
            self._forget_ended()
            return None
        if asked_s is not None:
            if now_s - asked_s < AGAIN_S:
                return None
            self._stopped[status.job_id] = now_s
            return JobCommand(action=JobAction.STOP, job_id=status.job_id, workflow_id=status.workflow_id)
        known = self._current.get(place)
        if known is None:
            self._current[place] = status.job_id.job_number
        return None

    def worker_status(self, status: WorkerStatus, now_s: float) -> None:
        """Note a worker's heartbeat; the last statistics stay where it has none, and few dead workers of a kind are kept."""
        place = status.service_name, status.worker_id
        before = self.workers.get(place)
        if status.stream_stats is None and before is not None:
            status = replace(status, stream_stats=before.stream_stats)
        self.workers[place] = status
        self._seen_workers[place] = now_s
        kind = [key for key in self.workers if key[0] == status.service_name and self.is_worker_stale(key, now_s)]
        for key in sorted(kind, key=lambda key: self._seen_workers[key])[:-MOST_DEAD_WORKERS]:
            del self.workers[key], self._seen_workers[key]

    def admits(self, key: ResultKey) -> bool:
        """Return whether a result is of the current generation."""
        place = key.workflow_id, key.job_id.source_name
        return self._current.get(place) == key.job_id.job_number

    def current_job(self, workflow_id: WorkflowId, source: str) -> JobId | None:
        """Return the job that is current."""
        number = self._current.get((workflow_id, source))
        return None if number is None else JobId(source_name=source, job_number=number)

    def current_jobs(
        self, sources: Iterable[str] | None = None, workflow_id: WorkflowId | None = None
    ) -> Iterator[tuple[WorkflowId, JobId]]:
        """Yield the current jobs, of some sources or of a workflow alone where it is said."""
        wanted = None if sources is None else set(sources)
        for (workflow, source), number in list(self._current.items()):
            if (wanted is None or source in wanted) and workflow_id in (None, workflow):
                yield workflow, JobId(source_name=source, job_number=number)

    def is_job_stale(self, job_id: JobId, now_s: float) -> bool:
        """Return whether a job has not been heard of for too long."""
        return now_s - self._seen_jobs.get(job_id, float("-inf")) > JOB_STALE_S

    def is_worker_stale(self, place: tuple[str, str], now_s: float) -> bool:
        """Return whether a worker has not been heard of for too long, or has said that it stopped."""
        stopped = self.workers[place].state is ServiceState.STOPPED
        return stopped or now_s - self._seen_workers.get(place, float("-inf")) > WORKER_STALE_S

    def expire(self, now_s: float) -> None:
        """Give up commands that nobody has answered for too long, with a notification."""
        for waiting in self.pending.values():
            if not waiting.is_expired and not waiting.is_answered and now_s - waiting.sent_s > EXPIRY_S:
                waiting.is_expired = True
                self._notify(waiting.problem)

    def _wait(self, message_id: str | None, what: str, devices: set[str], now_s: float) -> None:
        if message_id is not None:
            self.pending[message_id] = Pending(message_id=message_id, what=what, expected=devices, sent_s=now_s)
        over = [key for key, one in self.pending.items() if one.is_answered or one.is_expired] if len(self.pending) > MOST_KEPT else []
        for key in over[:-MOST_KEPT]:
            del self.pending[key]

    def _notify(self, text: str) -> None:
        self.notifications.append(text)
        del self.notifications[:-MOST_KEPT]

    def _forget_ended(self) -> None:
        if len(self.statuses) <= MOST_KEPT:
            return
        ended = [job_id for job_id, status in self.statuses.items() if status.state in _ENDED]
        for job_id in ended[:-MOST_KEPT]:
            del self.statuses[job_id], self._seen_jobs[job_id]

    def _forget(self, job_id: JobId) -> None:
        for place, number in list(self._current.items()):
            if place[1] == job_id.source_name and number == job_id.job_number:
                del self._current[place]
