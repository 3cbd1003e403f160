"""Outcome of a smoke run: everything that its summary, report and JSON say."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbeam.audit.result import AuditResult
from testbeam.suites.first_light.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLine:
    """One service as it came up; `detail` is what its probe saw last."""

    name: str
    spawned_s: float
    ready_s: float
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Times are seconds since the start of the run; `messages` counts by topic; `events` are those of the panel in the file.

    `counted_live` are those that live data counted, or told as dropped, in the same time.
    """

    plan: Plan
    services: tuple[ServiceLine, ...]
    ready_s: float
    total_s: float
    messages: Mapping[str, int]
    events: int
    counted_live: int
    file: Path
    report: Path
    audit: AuditResult
    steps: tuple[tuple[float, str], ...] = ()

    @property
    def ok(self) -> bool:
        """Tell whether the audit is clean, the file holds events, and live data counted the same."""
        return self.audit.ok and self.events > 0 and self.counted_live == self.events

    @property
    def broker_ready_s(self) -> float:
        """Return when the broker was ready."""
        return next((line.ready_s for line in self.services if line.name == "broker"), 0.0)

    def as_json(self) -> dict[str, Any]:
        """Return the answer for programs; its keys are a promise."""
        keys = ("expected", "written", "filtered", "missing", "altered", "doubled")
        audit = self.audit.as_json()
        return {
            "ok": self.ok,
            "total_s": round(self.total_s, 3),
            "ready_s": round(self.ready_s, 3),
            "broker_ready_s": round(self.broker_ready_s, 3),
            "services": [{"name": line.name, "ready_s": round(line.ready_s, 3)} for line in self.services],
            "audit": {key: audit[key] for key in keys},
            "livedata": {"events": self.events, "counted": self.counted_live},
            "file": str(self.file),
            "report": str(self.report),
        }
