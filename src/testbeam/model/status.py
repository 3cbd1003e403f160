"""Status of a service, as it says it at an interval."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """One x5f2 message; `update_interval_ms` tells readers when to call the service lost; `status_json` is the role's own."""

    software_name: str
    software_version: str
    service_id: str
    host_name: str
    process_id: int
    update_interval_ms: int
    status_json: str
