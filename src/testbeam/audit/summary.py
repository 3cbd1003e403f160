"""What an audit says to a person, in a few lines."""

from collections.abc import Mapping

from testbeam.audit.result import AuditResult


def report(result: AuditResult) -> str:
    """Return the verdict, the numbers behind it, and the findings."""
    verdict = "clean" if result.ok else f"NOT CLEAN: {_counts(result.faults)}"
    lines = [
        f"audit {verdict}",
        f"  {result.read:,} messages read, {result.expected:,} belong into the file, {result.written:,} are in it",
        *([f"  rightly left out: {_counts(result.filtered)}"] if result.filtered else []),
        *([f"  written although older than the one before: {result.older:,}"] if result.older else []),
        *(f"  {finding}" for finding in result.findings),
    ]
    hidden = sum(result.faults.values()) - len(result.findings)
    return "\n".join([*lines, *([f"  … and {hidden:,} more"] if hidden > 0 and result.findings else [])])


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {name}" for name, n in counts.items())
