"""Audit: what a job had to write, computed from Kafka alone, and whether the file holds it. Lazy, as `testbeam` is."""

from testbeam._lazy import attach

TYPE_CHECKING = False  # as typing's, which would be 8 ms of every start
if TYPE_CHECKING:
    from testbeam.audit.job import Job as Job
    from testbeam.audit.result import AuditResult as AuditResult
    from testbeam.audit.result import Finding as Finding
    from testbeam.audit.result import StreamCount as StreamCount
    from testbeam.audit.run import Leeway as Leeway
    from testbeam.audit.run import audit as audit
    from testbeam.audit.run import find_job as find_job
    from testbeam.audit.summary import report as report

_NAMES = {
    "testbeam.audit.run": (
        "Leeway",
        "audit",
        "find_job",
    ),
    "testbeam.audit.job": ("Job",),
    "testbeam.audit.result": (
        "AuditResult",
        "Finding",
        "StreamCount",
    ),
    "testbeam.audit.summary": ("report",),
}

__getattr__, __dir__, __all__ = attach(__name__, _NAMES)
