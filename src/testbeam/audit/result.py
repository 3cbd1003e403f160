"""Result of an audit: counts for every message, and the first findings, each with its place on Kafka and in the file."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What can be wrong."""

    MISSING = "missing"
    ALTERED = "altered"
    DOUBLED = "doubled"
    UNEXPECTED = "unexpected"
    MISPLACED = "misplaced"
    INCONSISTENT = "inconsistent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong; `row` is -1 where there is none in the file, `offset` where no message stands for it."""

    kind: Kind
    path: str
    row: int = -1
    topic: str = ""
    partition: int = -1
    offset: int = -1
    source: str = ""
    time_ns: int = 0
    detail: str = ""

    def __str__(self) -> str:
        message = f" {self.topic}[{self.partition}]@{self.offset}" if self.offset >= 0 else ""
        source = f" {self.source}" if self.source else ""
        when = f" at {self.time_ns} ns" if self.time_ns else ""
        row = f" row {self.row}" if self.row >= 0 else ""
        return f"{self.kind}: {self.path}{row}:{source}{message}{when}{': ' if self.detail else ''}{self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCount:
    """How many rows (of ev44: pulses) one destination should have and has."""

    path: str
    module: str
    topic: str
    source: str
    expected: int
    found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult:
    """The verdict on one file.

    Messages: read = expected + filtered, expected = written + altered + missing. Rows (of ev44: pulses) of the file: doubled are copies,
    unexpected come from no message, misplaced are out of order. inconsistent: datasets that are missing or contradict each other.
    failed: the writer said that the job ended with an error. older: messages that were written although the one before them was newer,
    which is no fault of the file. narrowed: values that are others in the file, since the dataset's type does not hold what was sent.
    not_judged: what the audit did not look at. start_ms, stop_ms: the job's window.
    """

    file: str
    job_id: str
    read: int
    expected: int
    written: int
    filtered: Mapping[str, int]
    missing: int
    altered: int
    doubled: int
    unexpected: int
    misplaced: int
    inconsistent: int
    failed: int = 0
    older: int = 0
    narrowed: int = 0
    not_judged: tuple[str, ...] = ()
    start_ms: int = 0
    stop_ms: int = 0
    streams: tuple[StreamCount, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def faults(self) -> Mapping[str, int]:
        """Return how often each kind of fault was found, without those that were not."""
        return {kind.value: n for kind in Kind if (n := getattr(self, kind.value))}

    @property
    def ok(self) -> bool:
        """Tell whether the file holds exactly what it must."""
        return not self.faults

    def as_json(self) -> dict[str, Any]:
        """Return the result for programs; findings as text."""
        numbers = ("start_ms", "stop_ms", "read", "expected", "written", *(kind.value for kind in Kind), "older", "narrowed")
        return {
            "ok": self.ok,
            "file": self.file,
            "job_id": self.job_id,
            **{name: getattr(self, name) for name in numbers},
            "filtered": dict(self.filtered),
            "not_judged": list(self.not_judged),
            "findings": [str(finding) for finding in self.findings],
        }


@dataclass(slots=True)
class Findings:
    """Collects findings: all are counted, the first of each kind are kept."""

    keep: int = 20
    counts: Counter[Kind] = field(default_factory=Counter)
    kept: list[Finding] = field(default_factory=list)
    _kept_of: Counter[Kind] = field(default_factory=Counter)

    def wants(self, kind: Kind) -> int:
        """Return how many more of a kind are kept."""
        return self.keep - self._kept_of[kind]

    def add(self, finding: Finding) -> None:
        """Keep a finding if there is room."""
        if self.wants(finding.kind) > 0:
            self._kept_of[finding.kind] += 1
            self.kept.append(finding)
