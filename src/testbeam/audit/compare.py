"""Comparison of a file with what it must hold: each destination's rows against the units that belong there, then the sum by message."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import h5py
import numpy as np
from numpy.typing import NDArray

from testbeam.audit import statics
from testbeam.audit.destinations import not_judged
from testbeam.audit.detail import Fetch, explain
from testbeam.audit.expected import Expected
from testbeam.audit.matching import Match, Outcome, match
from testbeam.audit.reasons import CODES, Reason, code
from testbeam.audit.result import AuditResult, Finding, Findings, Kind, StreamCount
from testbeam.audit.stored import Stored, read
from testbeam.audit.units import Wanted

_KINDS = {Outcome.MISSING: Kind.MISSING, Outcome.ALTERED: Kind.ALTERED}


def compare(expected: Expected, file: h5py.File, fetch: Fetch | None = None, name: str = "") -> AuditResult:
    """Return the verdict on an open file. `fetch` brings a message again, so that a finding can show both values."""
    comparison = _Comparison(expected, file, fetch)
    for wanted in expected.wanted:
        comparison.take(wanted)
    comparison.look_at_statics()
    return comparison.result(name or str(file.filename))


@dataclass(slots=True)
class _Comparison:
    expected: Expected
    file: h5py.File
    fetch: Fetch | None
    findings: Findings = field(default_factory=Findings)
    streams: list[StreamCount] = field(default_factory=list)
    reasons: NDArray[np.int8] = field(init=False)
    outcomes: NDArray[np.int8] = field(init=False)

    def __post_init__(self) -> None:
        self.reasons = self.expected.reasons.copy()
        self.outcomes = np.zeros(len(self.expected.ledger), np.int8)

    def take(self, wanted: Wanted) -> None:
        """Compare one destination."""
        stored = read(self.file, wanted)
        wanted = self._settle_first(wanted, stored)
        found = match(wanted.units, stored.time_ns, stored.digest)
        np.maximum.at(self.outcomes, wanted.units.number, found.outcome)
        destination = wanted.destination
        self.streams.append(
            StreamCount(
                path=destination.path,
                module=destination.module,
                topic=destination.topic,
                source=destination.source,
                expected=len(wanted.units),
                found=len(stored.time_ns),
            )
        )
        self._note(wanted, stored, found)

    def _settle_first(self, wanted: Wanted, stored: Stored) -> Wanted:
        settled = wanted.with_first_as_found(stored.time_ns, stored.digest, self.expected.job.start_ns)
        if settled is not wanted:
            if wanted.first >= 0:
                self.reasons[wanted.units.number[wanted.first]] = code(Reason.SUPERSEDED)
            self.reasons[settled.units.number[0]] = 0
        return settled

    def _note(self, wanted: Wanted, stored: Stored, found: Match) -> None:
        for outcome, kind in _KINDS.items():
            self._note_units(kind, wanted, stored, np.flatnonzero(found.outcome == outcome), found.row)
        self._note_units(Kind.MISPLACED, wanted, stored, found.misplaced, found.row)
        for kind, rows in ((Kind.DOUBLED, found.doubled), (Kind.UNEXPECTED, found.unexpected)):
            self._note_rows(kind, wanted, stored, rows)
        for dataset, problem in stored.problems:
            self.findings.counts[Kind.INCONSISTENT] += 1
            path = f"{wanted.destination.path}/{dataset}" if dataset else wanted.destination.path
            self.findings.add(Finding(kind=Kind.INCONSISTENT, path=path, source=wanted.destination.source, detail=problem))

    def _note_units(self, kind: Kind, wanted: Wanted, stored: Stored, units: NDArray[np.intp], row: NDArray[np.intp]) -> None:
        self.findings.counts[kind] += len(units)
        ledger = self.expected.ledger
        for unit in units[: max(self.findings.wants(kind), 0)]:
            number, place = int(wanted.units.number[unit]), int(row[unit])
            finding = Finding(
                kind=kind,
                path=f"{wanted.destination.path}/{wanted.destination.value_name}",
                row=place,
                topic=ledger.topics[ledger.topic[number]],
                partition=int(ledger.partition[number]),
                offset=int(ledger.offset[number]),
                source=wanted.destination.source,
                time_ns=int(wanted.units.time_ns[unit]),
            )
            row_time = int(stored.time_ns[place]) if place >= 0 else 0
            self.findings.add(explain(finding, wanted, self.file, row_time, self.fetch))

    def _note_rows(self, kind: Kind, wanted: Wanted, stored: Stored, rows: NDArray[np.intp]) -> None:
        self.findings.counts[kind] += len(rows)
        for row in rows[: max(self.findings.wants(kind), 0)]:
            path = f"{wanted.destination.path}/{wanted.destination.time_name}"
            time_ns = int(stored.time_ns[row])
            self.findings.add(Finding(kind=kind, path=path, row=int(row), source=wanted.destination.source, time_ns=time_ns))

    def look_at_statics(self) -> None:
        """Compare what the start command alone determines."""
        for path, problem in statics.problems(self.expected.job.nexus_structure, self.file):
            self.findings.counts[Kind.INCONSISTENT] += 1
            self.findings.add(Finding(kind=Kind.INCONSISTENT, path=path, detail=problem))

    def _note_error(self, name: str) -> None:
        if self.expected.job.error:
            self.findings.counts[Kind.FAILED] += 1
            detail = f"it ended the job with an error: {self.expected.job.error}"
            self.findings.add(Finding(kind=Kind.FAILED, path=name, source="the file-writer", detail=detail))

    def result(self, name: str) -> AuditResult:
        """Return the sum."""
        count: Callable[[Outcome], int] = lambda outcome: int((self.outcomes == outcome).sum())  # noqa: E731
        excused = self.outcomes == Outcome.EXCUSED
        self.reasons[excused] = self.expected.excuses[excused]
        self._note_error(name)
        filtered = Counter(CODES[number] for number in self.reasons[self.reasons != 0].tolist())
        return AuditResult(
            file=name,
            job_id=self.expected.job.job_id,
            start_ms=self.expected.job.start_ms,
            stop_ms=self.expected.job.stop_ms,
            read=len(self.outcomes),
            expected=int((self.reasons == 0).sum()),
            written=count(Outcome.WRITTEN),
            filtered={reason.value: n for reason, n in sorted(filtered.items(), key=str) if reason},
            missing=count(Outcome.MISSING),
            altered=count(Outcome.ALTERED),
            doubled=self.findings.counts[Kind.DOUBLED],
            unexpected=self.findings.counts[Kind.UNEXPECTED],
            misplaced=self.findings.counts[Kind.MISPLACED],
            inconsistent=self.findings.counts[Kind.INCONSISTENT],
            failed=self.findings.counts[Kind.FAILED],
            older=self.expected.older,
            narrowed=sum(wanted.narrowed for wanted in self.expected.wanted),
            not_judged=(*not_judged(self.expected.job.nexus_structure), *statics.NOT_JUDGED),
            streams=tuple(self.streams),
            findings=tuple(self.findings.kept),
        )
