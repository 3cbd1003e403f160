"""Summary of an audit for a person, in a few lines."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from testbeam.audit.result import AuditResult


def report(result: AuditResult) -> str:
    """Return the verdict, the numbers behind it, and the findings."""
    verdict = "clean" if result.ok else f"NOT CLEAN: {_counts(result.faults)}"
    lines = [
        f"audit {verdict}",
        f"  job {result.job_id}, {_moment(result.start_ms)} to {_moment(result.stop_ms)}",
        f"  {result.read:,} messages read, {result.expected:,} belong into the file, {result.written:,} are in it",
        *([f"  rightly left out: {_counts(result.filtered)}"] if result.filtered else []),
        *([f"  not as sent, since the dataset's type does not hold them: {result.narrowed:,} values"] if result.narrowed else []),
        *([f"  not judged: {'; '.join(result.not_judged)}"] if result.not_judged else []),
        *([f"  written although older than the one before: {result.older:,}"] if result.older else []),
        *(f"  {finding}" for finding in result.findings),
    ]
    hidden = sum(result.faults.values()) - len(result.findings)
    return "\n".join([*lines, *([f"  … and {hidden:,} more"] if hidden > 0 and result.findings else [])])


_LATEST_MS = 253_402_300_799_999  # the last ms of the year 9999: some writers say "never" with more


def _moment(ms: int) -> str:
    moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=min(ms, _LATEST_MS))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {name}" for name, n in counts.items())
