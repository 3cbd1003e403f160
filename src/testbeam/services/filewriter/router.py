"""Router of a job: which writer module gets which message, and the enumerated reasons why a message goes to none.

A job's whole way from raw bytes to datasets; what is read is written or counted under one of the
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.model.time import NS_PER_MS
from testbeam.runtime.counters import Drops
from testbeam.services.filewriter.batches import Batch, Index, decode, is_known, verified
from testbeam.services.filewriter.modules.base import WriterModule
from testbeam.services.filewriter.stream_writer import KafkaTimes, StreamWriter, Taken, Window

OUTSIDE_WINDOW = "outside window"
SAME_TIME = "same time as the one before"
AFTER_STOP = "came after its source had passed the stop"
BEFORE_READING = "came to Kafka before the file-writer had to read"
UNKNOWN_SCHEMA = "unknown schema"
FAILED_VERIFICATION = "failed verification"
NOT_IN_JOB = "source not in the job"
TIME_ZERO = "time 0"
WRONG_SHAPE = "array where the dataset has scalars, or of another length"

_MOST_MS = 2**63 // NS_PER_MS - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One stream of the job: whose messages go to which module."""

    topic: str
    source: str
    module: WriterModule[Any]


@dataclass(slots=True, kw_only=True)
class Router:
    """All stream writers of one job. Times are ns since 1970; `fixed`: the stop can't be moved any more."""

    start_ns: int
    stop_ns: int
    drops: Drops
    leeway_ns: int = 2**63 - 1
    fixed: bool = True
    received: int = 0
    older: int = 0
    _modules: list[WriterModule[Any]] = field(default_factory=list)
    _writers: dict[str, dict[bytes, list[StreamWriter]]] = field(default_factory=dict)

    def open(self, routes: Sequence[Route], partitions: Mapping[str, int]) -> None:
        """Make the stream writers; `partitions` says how many each topic has."""
        self._modules = [route.module for route in routes]
        groups: dict[tuple[str, type[WriterModule[Any]]], dict[str, list[WriterModule[Any]]]] = {}
        for route in routes:
            groups.setdefault((route.topic, type(route.module)), {}).setdefault(route.source, []).append(route.module)
        for (topic, kind), by_source in groups.items():
            window = self._window(kind, len(by_source), partitions[topic])
            writer = StreamWriter(window, _numbered(by_source), list(by_source.values()), kind.shape)
            self._writers.setdefault(topic, {}).setdefault(kind.schema, []).append(writer)

    def add_partition(self, topic: str) -> None:
        """Make room for one more partition of a topic."""
        for writers in self._writers[topic].values():
            for writer in writers:
                writer.window.add_partition()

    @property
    def written(self) -> int:
        """Return how many messages are in the file or wait for it: what was received and not dropped."""
        return sum(writer.accepted for writer in self._all())

    @property
    def newest_ns(self) -> int:
        """Return the newest payload time of what was taken, 0 without any."""
        return max((writer.newest_ns for writer in self._all()), default=0)

    @property
    def narrowed(self) -> int:
        """Return how many values are others in the file, since the dataset's type does not hold them."""
        return sum(module.narrowed for module in self._modules)

    @property
    def warnings(self) -> list[str]:
        """Return what the modules have to say."""
        return [warning for module in self._modules for warning in module.warnings]

    def skip(self, n: int) -> None:
        """Count messages that came too early, by Kafka's time, to be looked at."""
        self.received += n
        self._drop(BEFORE_READING, "", n)

    def take(self, topic: str, partition: int, buffers: Sequence[bytes | None], kafka_ms: Callable[[Index], Any] | None = None) -> int:
        """Bring messages of one partition, in order, on their way; return how many bytes they have.

        kafka_ms: gives the Kafka times, ms since 1970, of messages by their places; without it they are those of the payloads.
        """
        self.received += len(buffers)
        messages = [buffer or b"" for buffer in buffers]  # a message may have no value at all
        for schema, (places, group) in _by_schema(messages).items():
            writers = self._writers[topic].get(schema)
            if writers:
                decoded = decode(schema, group)
                self._drop(FAILED_VERIFICATION, f"{decoded.problem}, on {topic}", decoded.failed)
                for batch in decoded.batches:
                    self._take_batch(topic, partition, writers, batch, _in_ns(kafka_ms, places))
            elif is_known(schema):
                valid, _values, problem = verified(schema, group)
                self._drop(FAILED_VERIFICATION, f"{problem}, on {topic}", len(group) - len(valid))
                self._drop(NOT_IN_JOB, f"no {schema.decode()} of {topic} is asked for", len(valid))
            else:
                reason = UNKNOWN_SCHEMA if len(schema) == 4 else FAILED_VERIFICATION
                self._drop(reason, f"{schema!r} on {topic}", len(group))
        return sum(map(len, messages))

    def flush(self, *, only_full: bool = False) -> None:
        """Write what waits; `only_full`: only where there is enough for a long write."""
        for writer in self._all():
            if not only_full or writer.is_full:
                writer.flush()

    def set_stop(self, stop_ns: int, *, fixed: bool = True) -> None:
        """Change the end of the window; what was taken beyond it is removed at the end."""
        if (stop_ns, fixed) != (self.stop_ns, self.fixed):
            self.stop_ns, self.fixed = stop_ns, fixed
            for writer in self._all():
                writer.window.stop_ns, writer.window.fixed = stop_ns, fixed

    def done(self, topic: str, partition: int, beyond_ms: int = 0) -> bool:
        """Tell whether every source of the topic has come `beyond_ms` past the stop in this partition."""
        beyond_ns = beyond_ms * NS_PER_MS
        return all(writer.window.done(partition, beyond_ns) for writers in self._writers[topic].values() for writer in writers)

    def finish(self) -> None:
        """Write everything and the values known only at the end; afterwards the counts are final."""
        for writer in self._all():
            removed, misfits = writer.finish(self.stop_ns)
            self._drop(OUTSIDE_WINDOW, "it was written before the stop time was set", removed)
            self._drop(WRONG_SHAPE, "array of another length", misfits)

    def _take_batch(self, topic: str, partition: int, writers: Sequence[StreamWriter], batch: Batch, kafka_ns: KafkaTimes | None) -> None:
        timed = batch.times_ns > 0
        self._drop(TIME_ZERO, f"on {topic}", int(len(timed) - timed.sum()))
        found = np.zeros(len(timed), bool)
        for writer in writers:
            if writer.shape == batch.shape:
                slots = writer.slots(batch)
                found |= slots >= 0
                self._count(topic, writer.take(partition, batch, slots, timed & (slots >= 0), kafka_ns))
        self._count_unknown_sources(topic, batch, writers, timed & ~found)

    def _count(self, topic: str, taken: Taken) -> None:
        self.older += taken.older
        for reason, n in ((OUTSIDE_WINDOW, taken.outside), (SAME_TIME, taken.same_time), (AFTER_STOP, taken.after_stop)):
            self._drop(reason, f"on {topic}", n)

    def _drop(self, reason: str, detail: str, n: int) -> None:
        if n:
            self.drops.add(reason, detail, n)

    def _count_unknown_sources(self, topic: str, batch: Batch, writers: Sequence[StreamWriter], unknown: NDArray[np.bool_]) -> None:
        names = [batch.source_names[i] for i in batch.source[unknown]]
        misshapen = [name for name in names if any(name in writer.slot_of for writer in writers)]
        others = len(names) - len(misshapen)
        self._drop(WRONG_SHAPE, f"{misshapen[:1]} on {topic}", len(misshapen))
        self._drop(NOT_IN_JOB, f"{names[:1]} on {topic}", others)

    def _all(self) -> list[StreamWriter]:
        return [writer for by_schema in self._writers.values() for writers in by_schema.values() for writer in writers]

    def _window(self, kind: type[WriterModule[Any]], n_slots: int, n_partitions: int) -> Window:
        return Window(
            start_ns=self.start_ns,
            stop_ns=self.stop_ns,
            leeway_ns=self.leeway_ns,
            fixed=self.fixed,
            n_slots=n_slots,
            n_partitions=n_partitions,
            keeps_before=kind.keeps_before,
            repeats=kind.repeats,
        )


def _numbered(names: Iterable[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(names)}


def _in_ns(kafka_ms: Callable[[Index], Any] | None, places: Index | None) -> KafkaTimes | None:
    """Return what gives Kafka times in ns by places among the messages of one schema, whose places among all are `places`."""
    if kafka_ms is None:
        return None
    return lambda rows: np.clip(kafka_ms(rows if places is None else places[rows]), 0, _MOST_MS) * NS_PER_MS


def _by_schema(messages: Sequence[bytes]) -> dict[bytes, tuple[Index | None, Sequence[bytes]]]:
    """Return the messages by schema, with their places; no places where all are of one schema."""
    schemas = [message[4:8] for message in messages]
    if schemas and schemas.count(schemas[0]) == len(schemas):
        return {schemas[0]: (None, messages)}
    groups: dict[bytes, list[int]] = {}
    for place, schema in enumerate(schemas):
        groups.setdefault(schema, []).append(place)
    return {schema: (np.array(places, np.intp), [messages[i] for i in places]) for schema, places in groups.items()}
