"""Expected contents of a file: which messages of a job belong into it and where, and which do not and why.

Nothing of the messages is kept but a few numbers each, so 10⁸ events fit into memory.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.audit.columns import AlarmColumns, Columns, ConnectionColumns, EventColumns, Ints, LogColumns, PulseColumns, as_ints, column
from testbeam.audit.destinations import Destination, destinations
from testbeam.audit.job import Job
from testbeam.audit.message import Message
from testbeam.audit.reasons import Reason, code
from testbeam.audit.rows import RowColumns
from testbeam.audit.units import Wanted, event_units, log_units, row_units
from testbeam.audit.window import Arrivals, Verdict, judge
from testbeam.errors import WireError
from testbeam.model.time import NS_PER_MS
from testbeam.model.topic_partition import TopicPartition
from testbeam.wire.flatbuffers.registry import DECODERS, schema_id

_COLUMNS: dict[str, type[Columns]] = {
    "f144": LogColumns,
    "al00": AlarmColumns,
    "ep01": ConnectionColumns,
    "ev42": PulseColumns,
    "ev44": EventColumns,
}

NO_END_MS = 2**62
_LATEST_MS = (2**63 - 1) // NS_PER_MS

Key = tuple[str, str, str, bool]  # topic, schema, source, whether it is an array of f144


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Where each message that was read is on Kafka."""

    topics: tuple[str, ...]
    topic: Ints
    partition: Ints
    offset: Ints

    def __len__(self) -> int:
        return len(self.offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the file must hold. By message: `reasons`, 0 for those that belong into it, and `excuses`, 0 for those that it may not lack."""

    job: Job
    ledger: Ledger
    reasons: NDArray[np.int8]
    excuses: NDArray[np.int8]
    wanted: tuple[Wanted, ...]
    older: int


def expected(job: Job, messages: Iterable[Message], from_ms: int = 0, leeway_ms: int = NO_END_MS) -> Expected:
    """Return what the file of a job must hold, given the messages of its topics; those of a partition must come in order.

    from_ms: the Kafka time from which on the writer had to read, and what came before is left out. leeway_ms: how long after
    the stop it had to wait; the file may have, or lack, what came to Kafka later still.

    Raises:
        AuditError: the job's nexus_structure can't be audited.
    """
    reading = _Reading(destinations(job.nexus_structure), from_ms, leeway_ms)
    for message in messages:
        reading.take(message)
    reading.judge(job)
    return Expected(
        job=job,
        ledger=reading.ledger(),
        reasons=np.array(reading.reasons, np.int8),
        excuses=reading.excuses,
        wanted=tuple(reading.wanted),
        older=reading.older,
    )


@dataclass(slots=True)
class _Reading:
    """Sorts messages by source, then judges each source's."""

    destinations: tuple[Destination, ...]
    from_ms: int
    leeway_ms: int
    reasons: Any = field(default_factory=column)
    wanted: list[Wanted] = field(default_factory=list)
    older: int = 0
    _topics: dict[str, int] = field(default_factory=dict)
    _begun: set[TopicPartition] = field(default_factory=set)  # where all has to be read from now on, old Kafka times too
    _places: tuple[Any, Any, Any] = field(default_factory=lambda: (column(), column(), column()))
    excuses: NDArray[np.int8] = field(init=False)
    _by_key: dict[Key, list[Columns]] = field(init=False)  # one for all destinations, or for modules of rows one for each
    _sources: set[tuple[str, str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self._by_key = {}
        for d in self.destinations:
            there = self._by_key.setdefault(_key(d), [])
            if d.form is not None:
                there.append(RowColumns(form=d.form))
            elif not there:
                there.append(_COLUMNS[d.module]())
        self._sources = {(topic, schema, source) for topic, schema, source, _is_array in self._by_key}

    def take(self, message: Message) -> None:
        number = len(self.reasons)
        for col, value in zip(
            self._places, (self._topics.setdefault(message.topic, len(self._topics)), message.partition, message.offset), strict=True
        ):
            col.append(value)
        if message.kafka_ms >= self.from_ms:
            self._begun.add((message.topic, message.partition))
        reason = self._sort(number, message)
        self.reasons.append(code(reason) if reason else 0)

    def _sort(self, number: int, message: Message) -> Reason | None:
        payload = message.payload or b""
        try:
            schema = schema_id(payload)
            if schema not in DECODERS:
                return Reason.UNKNOWN_SCHEMA
            value = DECODERS[schema](payload)
        except WireError:
            return Reason.FAILED_VERIFICATION
        source = getattr(value, "source_name", "")
        is_array = schema == "f144" and np.ndim(value.value) > 0
        found = self._by_key.get((message.topic, schema, source, is_array))
        if found is None:
            known = (message.topic, schema, source) in self._sources
            return Reason.WRONG_SHAPE if known else Reason.SOURCE_NOT_IN_JOB
        for columns in found:
            columns.add(number, message, value, early=(message.topic, message.partition) not in self._begun)
        return None

    def judge(self, job: Job) -> None:
        reasons = np.array(self.reasons, np.int8)
        self.excuses = np.zeros(len(reasons), np.int8)
        for key, found in self._by_key.items():
            _topic, schema, _source, is_array = key
            columns = found[0]
            kafka_ms, end_ms = as_ints(columns.kafka_ms), min(job.stop_ms + self.leeway_ms, NO_END_MS)
            times, partitions = as_ints(columns.time_ns), as_ints(columns.partition)
            arrivals = Arrivals(
                early=as_ints(columns.early) != 0,
                late=kafka_ms > job.stop_ms,
                too_late=kafka_ms > end_ms,
                passed_ns=np.minimum(times, np.clip(kafka_ms, 0, _LATEST_MS) * NS_PER_MS),
                far_ns=min(end_ms, _LATEST_MS) * NS_PER_MS,
            )
            verdict = judge(times, partitions, arrivals, job.start_ns, job.stop_ns, events=schema in ("ev42", "ev44"))
            numbers = as_ints(columns.number)
            reasons[numbers] = verdict.reasons
            self.excuses[numbers] = verdict.excuses
            self.older += verdict.older
            here = [d for d in self.destinations if _key(d) == key]
            wanted = [self._wanted(found[i % len(found)], verdict, d, job.stop_ns) for i, d in enumerate(here)]
            self.wanted += wanted
            if is_array or here[0].form is not None:
                chosen = numbers[verdict.reasons == 0]
                fitting = np.concatenate([w.units.number for w in wanted])
                reasons[chosen[~np.isin(chosen, fitting)]] = code(Reason.WRONG_SHAPE)
        self.reasons = reasons

    def _wanted(self, columns: Columns, verdict: Verdict, destination: Destination, stop_ns: int) -> Wanted:
        if isinstance(columns, RowColumns):
            return row_units(columns, verdict, destination, stop_ns)
        return event_units(columns, verdict, destination) if isinstance(columns, EventColumns) else log_units(columns, verdict, destination)

    def ledger(self) -> Ledger:
        topic, partition, offset = map(as_ints, self._places)
        return Ledger(topics=tuple(self._topics), topic=topic, partition=partition, offset=offset)


def _key(destination: Destination) -> Key:
    return destination.topic, destination.module, destination.source, destination.is_array
