"""Waits for what live data does, on facts and with a deadline; each handles what arrives meanwhile."""

import time
from collections.abc import Callable, Iterable
from typing import Any

from testbeam.clients.livedata.backend import DashboardBackend, JobService
from testbeam.clients.livedata.data import DataService, LiveResult
from testbeam.errors import WaitTimeout
from testbeam.model.deadline import Deadline
from testbeam.model.live import DataKey, JobId, JobState, ResultKey, WorkflowId

_LOOK_S = 0.01
_STATES = {"running": (JobState.ACTIVE, JobState.WARNING)}  # a word that tests use


def wait_for_condition(condition: Callable[[], Any], timeout: float = 5.0, poll_interval: float = _LOOK_S) -> Any:
    """Return what a condition gives once it is true.

    Raises:
        WaitTimeout: it is not in time; says which, and its last value.
    """
    deadline = Deadline(timeout)
    while True:
        late = deadline.passed
        found = condition()
        if found:
            return found
        if late:
            name = getattr(condition, "__name__", repr(condition))
            raise WaitTimeout(f"{name} did not come true within {timeout:g} s; it is {found!r}")
        time.sleep(poll_interval)


def wait_for_backend_condition(backend: DashboardBackend, condition: Callable[[], Any], timeout: float = 10.0, **_: Any) -> Any:
    """Return what a condition gives once it is true, while the backend handles what arrives; raise as `wait_for_condition`."""
    return wait_for_condition(_updating(backend.update, condition), timeout, 0.0)


def wait_for_data(data_service: DataService, key: DataKey | ResultKey, timeout: float = 5.0) -> LiveResult:
    """Return the last result of an output once there is one.

    Raises:
        WaitTimeout: there is none in time; says which outputs there are.
    """

    def is_there() -> LiveResult | None:
        return data_service[key] if _has(data_service, key) else None

    try:
        found: LiveResult = wait_for_condition(_updating(data_service.update, is_there), timeout, 0.0)
    except WaitTimeout:
        there = ", ".join(sorted({f"{one.source_name}/{one.output_name}" for one in data_service})) or "no data at all"
        raise WaitTimeout(f"no data of {key} within {timeout:g} s; there is {there}") from None
    return found


def wait_for_job_status(job_service: JobService, job_id: JobId, status: str, timeout: float = 5.0) -> Any:
    """Return a job's status once its state is the one that is waited for; "running" is active, with or without a warning.

    Raises:
        WaitTimeout: it is not in time; says which it is, with its error.
    """
    wanted = _STATES.get(str(status), (status,))

    def is_so() -> Any:
        seen = job_service.status(job_id)
        return seen if seen is not None and seen.state in wanted else None

    try:
        return wait_for_condition(_updating(job_service.update, is_so), timeout, 0.0)
    except WaitTimeout:
        seen = job_service.status(job_id)
        what = "not heard of" if seen is None else f"{seen.state}{f' ({seen.error or seen.warning})' if seen.error or seen.warning else ''}"
        raise WaitTimeout(f"job {job_id} is not {status} within {timeout:g} s; it is {what}") from None


def wait_for_job_data(where: Any, *what: Any, timeout: float = 10.0, **_: Any) -> dict[Any, Any]:
    """Return the results of a job, by output, once there are some: `wait_for_job_data(job_service, job_id)`.

    Also `wait_for_job_data(backend, workflow_id, job_ids)`: of each job, by job.

    Raises:
        WaitTimeout: there are none in time.
    """
    job_service: JobService = getattr(where, "job_service", where)
    jobs = [one for given in what for one in _jobs(given)]

    def is_there() -> dict[JobId, Any] | None:
        found = {job: job_service.data(job) for job in jobs}
        return found if all(found.values()) else None

    try:
        found: dict[JobId, Any] = wait_for_condition(_updating(job_service.update, is_there), timeout, 0.0)
    except WaitTimeout:
        missing = ", ".join(str(job) for job in jobs if not job_service.data(job))
        raise WaitTimeout(f"no data of {missing} within {timeout:g} s; are a worker of it and a source of its data running?") from None
    alone = len(what) == 1 and isinstance(what[0], JobId)
    return dict(found[jobs[0]]) if alone else found


def _jobs(given: Any) -> Iterable[JobId]:
    if isinstance(given, JobId):
        return (given,)
    return () if isinstance(given, WorkflowId | str) else given


def _has(data_service: DataService, key: DataKey | ResultKey) -> bool:
    try:
        data_service[key]
    except KeyError:
        return False
    return True


def _updating(update: Callable[[], None], condition: Callable[[], Any]) -> Callable[[], Any]:
    def look() -> Any:
        update()
        return condition()

    look.__name__ = getattr(condition, "__name__", "condition")
    return look
