"""What an error about a service says: what happened, where it can be reached, what was last seen and logged, what to try next."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from testbeam.kit.tail import tail


def describe(
    headline: str,
    *,
    endpoints: Mapping[str, str],
    facts: Iterable[tuple[str, str]],
    log_path: Path | None,
    log_since: int,
    next_step: str,
) -> str:
    """Return the whole message; log_path None for a service whose log is not ours."""
    lines = [headline]
    lines += [f"  {'endpoint':10} {name} = {value}" for name, value in endpoints.items()]
    lines += [f"  {name:10} {value}" for name, value in facts if value]
    if log_path is not None:
        lines += log_lines(log_path, log_since)
    lines.append(f"  {'next':10} {next_step}")
    return "\n".join(lines)


def log_lines(path: Path, since: int) -> list[str]:
    """Return the end of a log as it stands in an error."""
    last = tail(path, since=since)
    if not last:
        return [f"  {'log':10} {path} (nothing in it)"]
    return [f"  {'log':10} {path}, its end:", *(f"    | {line}" for line in last)]
