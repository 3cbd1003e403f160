"""The audit in two steps: `expected` computes from messages what a file must hold, `compare` looks whether it does."""

from testbeam.audit.compare import compare
from testbeam.audit.expected import Expected, expected
from testbeam.audit.job import Job, choose, find_starts, job_of
from testbeam.audit.message import Message
from testbeam.audit.reasons import Reason
from testbeam.audit.result import AuditResult, Finding, Kind

__all__ = [
    "AuditResult",
    "Expected",
    "Finding",
    "Job",
    "Kind",
    "Message",
    "Reason",
    "choose",
    "compare",
    "expected",
    "find_starts",
    "job_of",
]
