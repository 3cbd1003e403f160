"""Counts of live data, and the selector of where they come from: pure.

A selector is `instrument/name/version@source[#job][/output]`.
Source: docs/reference/contracts/control.md, "Live-data channels".
"""

from collections.abc import Iterable
from dataclasses import dataclass

from testbeam.model.live import JobId, JobState, JobStatus, ResultKey, WorkflowId
from testbeam.wire.livedata_messages import workflow_id_of

_RUNNING = (JobState.ACTIVE, JobState.WARNING, JobState.SCHEDULED, JobState.PENDING_CONTEXT, JobState.FINISHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Results of a workflow for a source: of one job or of the one that runs, of one output or of any."""

    workflow_id: WorkflowId
    source_name: str
    job_number: str = ""
    output_name: str = ""

    def __str__(self) -> str:
        job = f"#{self.job_number}" if self.job_number else ""
        return f"{self.workflow_id}@{self.source_name}{job}{f'/{self.output_name}' if self.output_name else ''}"

    def takes(self, key: ResultKey, running: JobId | None) -> bool:
        """Tell whether a result is meant; `running` is the job that counts where the selector names none."""
        number = self.job_number or (running.job_number if running is not None else key.job_id.job_number)
        return (
            key.workflow_id == self.workflow_id
            and key.job_id == JobId(source_name=self.source_name, job_number=number)
            and self.output_name in ("", key.output_name)
        )


def parse_selector(text: str) -> Selector:
    """Return the selector; raise ValueError where the text is none."""
    workflow, at, rest = text.partition("@")
    place, _, output = rest.partition("/")
    source, _, number = place.partition("#")
    if not at or not source:
        raise ValueError(f"{text!r:.100} is no instrument/name/version@source[#job][/output]")
    return Selector(workflow_id=workflow_id_of(workflow), source_name=source, job_number=number, output_name=output)


def running_job(statuses: Iterable[JobStatus], workflow_id: WorkflowId, source: str) -> JobId | None:
    """Return the job that counts: the newest of those that are active, else scheduled, else finishing."""
    found = [one for one in statuses if one.workflow_id == workflow_id and one.job_id.source_name == source and one.state in _RUNNING]
    best = min(found, key=lambda one: (_RUNNING.index(one.state), -(one.start_time_ns or 0)), default=None)
    return best.job_id if best is not None else None


@dataclass(slots=True)
class Counts:
    """A sum over results, each taken once by its time.

    Results that begin at the same time are one sum that grows; one that begins at another time adds to those before: a window, or a sum
    that was begun anew. Where no begin is told, a sum that has become smaller was begun anew.
    """

    newest_ns: int | None = None
    _begin_ns: int | None = None
    _newest: float = 0.0
    _before: float = 0.0

    @property
    def total(self) -> float:
        """Return the sum of all."""
        return self._before + self._newest

    def take(self, time_ns: int, value: float, begin_ns: int | None = None) -> bool:
        """Take a result; return whether it was new."""
        if self.newest_ns is not None and time_ns <= self.newest_ns:
            return False
        begun_anew = value < self._newest if begin_ns is None else begin_ns != self._begin_ns
        if self.newest_ns is not None and begun_anew:
            self._before += self._newest
        self.newest_ns, self._begin_ns, self._newest = time_ns, begin_ns, value
        return True
