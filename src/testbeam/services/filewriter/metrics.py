"""Metrics of a file-writer, from the counts of its job and those of all its life."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from testbeam.runtime.metrics import Metric, Sample

CARBON_PORT = 2003


@dataclass(slots=True)
class JobMetrics:
    """The newest counts of the job in hand, and the sums of those that are over."""

    writing: bool = False
    jobs: int = 0
    failed: int = 0
    _now: Mapping[str, Any] = field(default_factory=dict)
    _over: dict[str, int] = field(default_factory=dict)
    _dropped: dict[str, int] = field(default_factory=dict)

    def note(self, counts: Mapping[str, Any]) -> None:
        """Take the counts of the job in hand."""
        self.writing, self._now = True, counts

    def job_over(self, *, failed: bool) -> None:
        """Add the job that was in hand to those that are over."""
        for name in ("received", "written"):
            self._over[name] = self._over.get(name, 0) + int(self._now.get(name, 0))
        for reason, n in self._now.get("dropped", {}).items():
            self._dropped[reason] = self._dropped.get(reason, 0) + n
        self.jobs, self.failed = self.jobs + 1, self.failed + failed
        self.writing, self._now = False, {}

    def collect(self) -> tuple[Metric, ...]:
        """Return the metrics of now."""
        dropped = dict(self._dropped)
        for reason, n in dict(self._now.get("dropped", {})).items():
            dropped[reason] = dropped.get(reason, 0) + n
        by_reason = tuple(Sample(value=n, labels={"reason": reason}) for reason, n in dropped.items())
        return (
            Metric(name="writing", help="1 while a file is written", samples=(Sample(value=int(self.writing)),)),
            Metric(name="jobs", help="jobs that are over", samples=(Sample(value=self.jobs),), only_grows=True),
            Metric(name="jobs_failed", help="jobs that ended with an error", samples=(Sample(value=self.failed),), only_grows=True),
            Metric(name="received", help="messages read", samples=(Sample(value=self._sum("received")),), only_grows=True),
            Metric(name="written", help="messages written", samples=(Sample(value=self._sum("written")),), only_grows=True),
            Metric(name="dropped", help="messages left out", samples=by_reason, only_grows=True),
        )

    def _sum(self, name: str) -> int:
        return self._over.get(name, 0) + int(self._now.get(name, 0))
