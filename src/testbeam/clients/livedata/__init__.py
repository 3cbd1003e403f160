"""Live data in a test's or a user's hand: a dashboard's backend, its services as processes, and waits for what they do. Lazy."""

from testbeam._lazy import attach

TYPE_CHECKING = False  # as typing's, which would be 8 ms of every start
if TYPE_CHECKING:
    from testbeam.clients.livedata.address import LiveDataAddress as LiveDataAddress
    from testbeam.clients.livedata.address import using as using
    from testbeam.clients.livedata.backend import DashboardBackend as DashboardBackend
    from testbeam.clients.livedata.backend import JobService as JobService
    from testbeam.clients.livedata.backend import WorkflowController as WorkflowController
    from testbeam.clients.livedata.data import DataService as DataService
    from testbeam.clients.livedata.data import LiveResult as LiveResult
    from testbeam.clients.livedata.data import collect_updates as collect_updates
    from testbeam.clients.livedata.processes import ServiceGroup as ServiceGroup
    from testbeam.clients.livedata.processes import ServiceProcess as ServiceProcess
    from testbeam.clients.livedata.waiting import wait_for_backend_condition as wait_for_backend_condition
    from testbeam.clients.livedata.waiting import wait_for_condition as wait_for_condition
    from testbeam.clients.livedata.waiting import wait_for_data as wait_for_data
    from testbeam.clients.livedata.waiting import wait_for_job_data as wait_for_job_data
    from testbeam.clients.livedata.waiting import wait_for_job_status as wait_for_job_status
    from testbeam.errors import WaitTimeout as WaitTimeout
    from testbeam.model.live import DataKey as DataKey
    from testbeam.model.live import JobId as JobId
    from testbeam.model.live import ResultKey as ResultKey
    from testbeam.model.live import WorkflowId as WorkflowId

_NAMES = {
    "testbeam.clients.livedata.backend": ("DashboardBackend", "JobService", "WorkflowController"),
    "testbeam.clients.livedata.data": ("DataService", "LiveResult", "collect_updates"),
    "testbeam.clients.livedata.address": ("LiveDataAddress", "using"),
    "testbeam.clients.livedata.processes": ("ServiceGroup", "ServiceProcess"),
    "testbeam.clients.livedata.waiting": (
        "wait_for_backend_condition",
        "wait_for_condition",
        "wait_for_data",
        "wait_for_job_data",
        "wait_for_job_status",
    ),
    "testbeam.errors": ("WaitTimeout",),
    "testbeam.model.live": ("DataKey", "JobId", "ResultKey", "WorkflowId"),
}

__getattr__, __dir__, __all__ = attach(__name__, _NAMES)
