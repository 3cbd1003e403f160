"""Values of live data: workflows, jobs, their outputs and states, commands and answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class WorkflowId:
    """Which workflow; `str` is `instrument/name/version`."""

    instrument: str
    name: str
    version: int = 1

    def __str__(self) -> str:
        return f"{self.instrument}/{self.name}/{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class JobId:
    """One job of a source: `job_number` is the UUID of the start, shared by all sources that were started together."""

    source_name: str
    job_number: str

    def __str__(self) -> str:
        return f"{self.source_name}/{self.job_number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultKey:
    """Whose result a message is: the JSON in its source name."""

    workflow_id: WorkflowId
    job_id: JobId
    output_name: str = "result"

    @property
    def data_key(self) -> DataKey:
        """Return the key without the job's number."""
        return DataKey(workflow_id=self.workflow_id, source_name=self.job_id.source_name, output_name=self.output_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKey:
    """One output of a workflow for a source, whichever job made it."""

    workflow_id: WorkflowId
    source_name: str
    output_name: str = "result"


class JobState(StrEnum):
    """State of a job, as heartbeats carry it."""

    SCHEDULED = "scheduled"
    PENDING_CONTEXT = "pending_context"
    ACTIVE = "active"
    FINISHING = "finishing"
    WARNING = "warning"
    ERROR = "error"
    STOPPED = "stopped"


class ServiceState(StrEnum):
    """State of a worker, as heartbeats carry it."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPED = "stopped"
    ERROR = "error"


class JobAction(StrEnum):
    """What a command asks of a job."""

    PAUSE = "pause"
    RESUME = "resume"
    RESET = "reset"
    STOP = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartJob:
    """Start a workflow for one source; times are data time in ns, None is "at once" and "without end"."""

    workflow_id: WorkflowId
    job_id: JobId
    message_id: str | None = None
    start_time_ns: int | None = None
    end_time_ns: int | None = None
    aux_source_names: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCommand:
    """Ask something of one job, of all jobs of a workflow (or those of one source), or with `all_jobs` of every job.

    `old_form` tells that it had no `kind`, as older senders leave it out.
    """

    action: JobAction
    message_id: str | None = None
    job_id: JobId | None = None
    workflow_id: WorkflowId | None = None
    all_jobs: bool = False
    old_form: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a worker answered to a command: `error` is empty for an acknowledgement.

    `device` is the source of a start, `source/job_number` of a job command, `all` of one that selects jobs.
    """

    message_id: str | None
    device: str
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """What a heartbeat says of a job; times are ns of data time."""

    job_id: JobId
    workflow_id: WorkflowId
    state: JobState
    warning: str = ""
    error: str = ""
    start_time_ns: int | None = None
    end_time_ns: int | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """What a heartbeat says of a worker."""

    instrument: str
    service_name: str
    worker_id: str
    state: ServiceState
    started_at_ns: int
    active_job_count: int
    error: str = ""
    batch_interval_s: float = 1.0
    stream_stats: Mapping[str, Any] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
