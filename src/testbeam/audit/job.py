"""The job of a file: its structure and window, from what was said about it on Kafka.

Source: docs/reference/contracts/filewriter.md, "Job flow".
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from testbeam.errors import AuditError
from testbeam.model.runs import ActionOutcome, ActionType, CommandAnswer, RunStart, WritingFinished
from testbeam.model.status import ServiceStatus
from testbeam.model.time import NS_PER_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a file-writer was told: messages with a payload time in start … stop, both included, belong into the file.

    error: with what the writer said the job ended, "" if well.
    """

    job_id: str
    filename: str
    nexus_structure: str
    start_ms: int
    stop_ms: int
    error: str = ""

    @property
    def start_ns(self) -> int:
        """Return the start in ns since 1970."""
        return self.start_ms * NS_PER_MS

    @property
    def stop_ns(self) -> int:
        """Return the stop in ns since 1970."""
        return self.stop_ms * NS_PER_MS


def find_starts(said: Iterable[Any], *, job_id: str = "", file: PurePath | None = None) -> list[RunStart]:
    """Return the start commands with this id, or, without an id, with this file's name, the oldest first.

    Raises:
        AuditError: there is none; the error names those that are there.
    """
    starts = [value for value in said if isinstance(value, RunStart)]
    found = [s for s in starts if (s.job_id == job_id if job_id else file is not None and _same_file(file, s.filename))]
    if found:
        return found
    wanted = f"job {job_id}" if job_id else f"a job that writes {file}"
    there = ", ".join(f"{start.job_id} ({start.filename})" for start in starts[-5:]) or "none"
    raise AuditError(f"{wanted} is not on the topics that were read; the newest start commands there: {there}")


def choose(starts: Sequence[RunStart], said: Iterable[Any], file: PurePath | None = None) -> RunStart:
    """Return the command whose job a writer took, else the newest; of several the one that names most of the file's path, then the newest.

    A job that a writer has said to have written this very file goes before all others.
    """
    values = list(said)
    starts = _obeyed(starts, values)
    taken = {value.job_id for value in values if _is_taken(value)}
    written = {value.job_id for value in values if isinstance(value, WritingFinished) and str(file) == value.file_name}
    in_order = enumerate(starts)
    _at, best = max(in_order, key=lambda s: (s[1].job_id in written, s[1].job_id in taken, len(_parts(s[1].filename)), s[0]))
    return best


def _obeyed(starts: Sequence[RunStart], said: Sequence[Any]) -> list[RunStart]:
    """Return the commands without those that came with the id of another, which the writer obeyed.

    A writer repeats a command it obeys on the control topic, right before its answer.

    Raises:
        AuditError: several commands have one id, and nobody said which was obeyed.
    """
    echo: dict[str, RunStart] = {}
    obeyed: dict[str, RunStart] = {}
    for value in said:
        if isinstance(value, RunStart):
            echo[value.job_id] = value
        elif isinstance(value, CommandAnswer) and _is_taken(value) and value.job_id in echo:
            obeyed.setdefault(value.job_id, echo[value.job_id])
    kept = [start for start in starts if start.job_id not in obeyed or _same_command(start, obeyed[start.job_id])]
    for start in kept:
        others = [other for other in kept if other.job_id == start.job_id and not _same_command(other, start)]
        if others:
            words = "; ".join(f"{len(s.nexus_structure)} characters of structure for {s.filename}" for s in (start, *others))
            raise AuditError(f"several start commands have the id {start.job_id}, and no writer has said which it obeyed: {words}")
    return kept


def _same_command(one: RunStart, other: RunStart) -> bool:
    return (one.nexus_structure, one.filename) == (other.nexus_structure, other.filename)


def job_of(start: RunStart, said: Iterable[Any]) -> Job:
    """Return the job with the window that the writer took: 0 ("now", "until stopped") is read off its answers and status.

    Raises:
        AuditError: start or stop can't be known, since nobody said them.
    """
    about = [value for value in said if getattr(value, "job_id", None) == start.job_id or isinstance(value, ServiceStatus)]
    start_ms = start.start_time_ms or _newest(_told(about, start.job_id, "start_time"))
    stop_ms = _newest(_accepted_stops(about)) or _newest(_told(about, start.job_id, "stop_time")) or start.stop_time_ms
    error = _error(about)
    for name, value in (("start", start_ms), ("stop", stop_ms)):
        if not value and error:
            raise AuditError(f"job {start.job_id} ended with an error: {error}; it had no {name} time")
        if not value:
            raise AuditError(f"job {start.job_id} has no {name} time yet: audit it once its wrdn is on the control topic")
    return Job(
        job_id=start.job_id,
        filename=start.filename,
        nexus_structure=start.nexus_structure,
        start_ms=start_ms,
        stop_ms=stop_ms,
        error=error,
    )


def _same_file(file: PurePath, filename: str) -> bool:
    asked = _parts(filename)
    return bool(asked) and file.parts[-len(asked) :] == asked


def _parts(filename: str) -> tuple[str, ...]:
    return PurePath(filename.lstrip("/")).parts


def _is_taken(value: Any) -> bool:
    """Tell whether this says that a writer took its job."""
    if isinstance(value, CommandAnswer):
        return value.action == ActionType.START_JOB and value.outcome == ActionOutcome.SUCCESS
    return isinstance(value, WritingFinished)


def _error(about: list[Any]) -> str:
    """Return with which error the job ended, in words; "" where the newest word on its end is of none."""
    ends = [value for value in about if isinstance(value, WritingFinished)]
    if not ends or not ends[-1].error_encountered:
        return ""
    return str(_object(ends[-1].message).get("summary") or ends[-1].message or "the file-writer did not say which")


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
