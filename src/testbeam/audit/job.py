"""Which job a file belongs to: its structure and window, from what was said about it on Kafka.

Source: contracts/filewriter.md, "Job flow".
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from testbeam.errors import AuditError
from testbeam.model.runs import ActionOutcome, ActionType, CommandAnswer, RunStart, WritingFinished
from testbeam.model.status import ServiceStatus

NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a file-writer was told: messages with a payload time in start … stop, both included, belong into the file."""

    job_id: str
    filename: str
    nexus_structure: str
    start_ms: int
    stop_ms: int

    @property
    def start_ns(self) -> int:
        """Return the start in ns since 1970."""
        return self.start_ms * NS_PER_MS

    @property
    def stop_ns(self) -> int:
        """Return the stop in ns since 1970."""
        return self.stop_ms * NS_PER_MS


def find_start(said: Iterable[Any], *, job_id: str = "", file: PurePath | None = None) -> RunStart:
    """Return the newest start command with this id, or, without an id, with this file's name.

    Raises:
        AuditError: there is none; the error names those that are there.
    """
    starts = [value for value in said if isinstance(value, RunStart)]
    for start in reversed(starts):
        if start.job_id == job_id if job_id else file is not None and _same_file(file, start.filename):
            return start
    wanted = f"job {job_id}" if job_id else f"a job that writes {file}"
    there = ", ".join(f"{start.job_id} ({start.filename})" for start in starts[-5:]) or "none"
    raise AuditError(f"{wanted} is not on the topics that were read; the newest start commands there: {there}")


def job_of(start: RunStart, said: Iterable[Any]) -> Job:
    """Return the job with the window that the writer took: 0 ("now", "until stopped") is read off its answers and status.

    Raises:
        AuditError: start or stop can't be known, since nobody said them.
    """
    about = [value for value in said if getattr(value, "job_id", None) == start.job_id or isinstance(value, ServiceStatus)]
    start_ms = start.start_time_ms or _newest(_told(about, start.job_id, "start_time"))
    stop_ms = _newest(_accepted_stops(about)) or _newest(_told(about, start.job_id, "stop_time")) or start.stop_time_ms
    for name, value in (("start", start_ms), ("stop", stop_ms)):
        if not value:
            raise AuditError(f"job {start.job_id} has no {name} time yet: audit it once its wrdn is on the control topic")
    return Job(
        job_id=start.job_id,
        filename=start.filename,
        nexus_structure=start.nexus_structure,
        start_ms=start_ms,
        stop_ms=stop_ms,
    )


def _same_file(file: PurePath, filename: str) -> bool:
    asked = PurePath(filename.lstrip("/")).parts
    return bool(asked) and file.parts[-len(asked) :] == asked


def _newest(values: list[int]) -> int:
    return values[-1] if values else 0


def _accepted_stops(about: list[Any]) -> list[int]:
    """Return the stop times that a writer has said it obeys."""
    return [
        value.stop_time_ms
        for value in about
        if isinstance(value, CommandAnswer) and value.action == ActionType.SET_STOP_TIME and value.outcome == ActionOutcome.SUCCESS
    ]


def _told(about: list[Any], job_id: str, key: str) -> list[int]:
    """Return the times, other than 0, that status messages and the end of the job carry in their JSON."""
    texts = [value.status_json for value in about if isinstance(value, ServiceStatus)]
    texts += [value.message for value in about if isinstance(value, WritingFinished)]
    found = []
    for text in texts:
        told = _object(text)
        number = told.get(key)
        if told.get("job_id", job_id) == job_id and isinstance(number, int) and number:
            found.append(number)
    return found


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
