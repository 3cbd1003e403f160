"""Live counts of a smoke run: live data beside the file-writer, counting the panel's events of the same time."""

from dataclasses import dataclass, field

from testbeam.clients.livedata.data import LiveResult
from testbeam.clients.livedata.waiting import wait_for_backend_condition
from testbeam.model.live import DataKey, JobId, WorkflowId
from testbeam.model.time import NS_PER_MS
from testbeam.stacks.roles.livedata.declaration import LivedataHandle

_VIEW = WorkflowId(instrument="demo", name="panel_xy")
_PANEL = "panel"
_WITHIN_S = 60.0


@dataclass(slots=True)
class LiveCounts:
    """The panel's live image of one span of time."""

    handle: LivedataHandle
    _job: JobId | None = None
    _windows: list[float] = field(default_factory=list)  # of the job: a run's start and stop begin its cumulative counts anew

    def start(self, start_ms: int, stop_ms: int) -> None:
        """Count the events between two times."""
        backend = self.handle.backend
        (self._job,) = backend.workflow_controller.start_workflow(
            _VIEW, [_PANEL], start_time_ns=start_ms * NS_PER_MS, end_time_ns=stop_ms * NS_PER_MS
        )
        backend.data_service.subscribe(self._take)
        backend.workflow_controller.wait_for_answer(_WITHIN_S)

    def finish(self) -> int:
        """Return how many events were counted and dropped, once the time is over."""
        backend, job = self.handle.backend, self._job
        assert job is not None

        def is_over() -> bool:
            """Tell whether the job has stopped and all its results are here, which come on another topic."""
            status = backend.jobs.statuses.get(job)
            return status is not None and status.state == "stopped" and len(self._windows) >= status.more["results"]

        wait_for_backend_condition(backend, is_over, timeout=_WITHIN_S)
        dropped: dict[str, int] = backend.jobs.statuses[job].more["dropped"]
        return round(sum(self._windows)) + sum(dropped.values())

    def _take(self, key: DataKey, result: LiveResult) -> None:
        if result.key.job_id == self._job and key.output_name == "counts_total":
            self._windows.append(result.sum())
