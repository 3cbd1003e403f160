"""Which writer module gets which message, and why a message goes to none: a job's whole way from raw bytes to datasets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.runtime.counters import Drops
from testbeam.services.filewriter import reasons
from testbeam.services.filewriter.batches import Batch, decode, is_known, verified
from testbeam.services.filewriter.lane import Lane
from testbeam.services.filewriter.modules.base import WriterModule
from testbeam.services.filewriter.window import Taken, Window

_ALWAYS_MS = 2**63 // 1_000_000
FLUSH_BYTES = 16 * 2**20  # what may wait in one lane: large enough for long writes, small enough for any machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One stream of the job: whose messages go to which module."""

    topic: str
    source: str
    module: WriterModule[Any]


@dataclass(slots=True, kw_only=True)
class Router:
    """All lanes of one job; `partitions` says how many each topic has. Times are ns since 1970."""

    start_ns: int
    stop_ns: int
    drops: Drops
    received: int = 0
    older: int = 0
    _lanes: dict[str, dict[bytes, list[Lane]]] = field(default_factory=dict)

    def open(self, routes: Iterable[Route], partitions: Mapping[str, int]) -> None:
        """Make the lanes."""
        groups: dict[tuple[str, type[WriterModule[Any]]], dict[str, list[WriterModule[Any]]]] = {}
        for route in routes:
            groups.setdefault((route.topic, type(route.module)), {}).setdefault(route.source, []).append(route.module)
        for (topic, kind), by_source in groups.items():
            lane = Lane(self._window(kind, len(by_source), partitions[topic]), _numbered(by_source), list(by_source.values()), kind.shape)
            self._lanes.setdefault(topic, {}).setdefault(kind.schema, []).append(lane)

    @property
    def written(self) -> int:
        """Return how many messages are in the file or wait for it: what was received and not dropped."""
        return sum(lane.accepted for lane in self._all())

    def take(self, topic: str, partition: int, buffers: Sequence[bytes | None], kafka_ms: int = _ALWAYS_MS) -> int:
        """Bring messages of one partition, in order, on their way; return how many bytes they have.

        kafka_ms: the Kafka time of the last, in ms since 1970.
        """
        kafka_ns = min(kafka_ms, _ALWAYS_MS) * 1_000_000
        self.received += len(buffers)
        messages = [buffer or b"" for buffer in buffers]  # a message may have no value at all
        for schema, group in _by_schema(messages).items():
            lanes = self._lanes[topic].get(schema)
            if lanes:
                decoded = decode(schema, group)
                self._drop(reasons.FAILED_VERIFICATION, f"{decoded.problem}, on {topic}", decoded.failed)
                for batch in decoded.batches:
                    self._take_batch(topic, partition, lanes, batch, kafka_ns)
            elif is_known(schema):
                valid, failed, problem = verified(schema, group)
                self._drop(reasons.FAILED_VERIFICATION, f"{problem}, on {topic}", failed)
                self._drop(reasons.NOT_IN_JOB, f"no {schema.decode()} of {topic} is asked for", len(valid))
            else:
                reason = reasons.UNKNOWN_SCHEMA if len(schema) == 4 else reasons.FAILED_VERIFICATION
                self._drop(reason, f"{schema!r} on {topic}", len(group))
        return sum(map(len, messages))

    def flush(self, *, only_full: bool = False) -> None:
        """Write what waits; `only_full`: only the lanes with enough for a long write."""
        for lane in self._all():
            if not only_full or lane.waiting_bytes >= FLUSH_BYTES:
                lane.flush()

    def set_stop(self, stop_ns: int) -> None:
        """Change the end of the window; what was taken beyond it is removed at the end."""
        self.stop_ns = stop_ns
        for lane in self._all():
            lane.window.stop_ns = stop_ns

    def done(self, topic: str, partition: int) -> bool:
        """Tell whether every source of the topic has come past the stop in this partition."""
        return all(lane.window.done(partition) for lanes in self._lanes[topic].values() for lane in lanes)

    def finish(self) -> None:
        """Write everything and the values known only at the end; afterwards the counts are final."""
        for lane in self._all():
            removed, misfits = lane.finish(self.stop_ns)
            self._drop(reasons.OUTSIDE_WINDOW, "it was written before the stop time was set", removed)
            self._drop(reasons.WRONG_SHAPE, "array of another length", misfits)

    def _take_batch(self, topic: str, partition: int, lanes: Sequence[Lane], batch: Batch, kafka_ns: int) -> None:
        timed = batch.times_ns != 0
        self._drop(reasons.TIME_ZERO, f"on {topic}", int(len(timed) - timed.sum()))
        found = np.zeros(len(timed), bool)
        for lane in lanes:
            if lane.shape == batch.shape:
                slots = lane.slots(batch)
                found |= slots >= 0
                self._count(topic, lane.take(partition, batch, slots, timed & (slots >= 0), kafka_ns))
        self._count_strangers(topic, batch, lanes, timed & ~found)

    def _count(self, topic: str, taken: Taken) -> None:
        self.older += taken.older
        self._drop(reasons.OUTSIDE_WINDOW, f"on {topic}", taken.outside)
        self._drop(reasons.SAME_TIME, f"on {topic}", taken.same_time)

    def _drop(self, reason: str, detail: str, n: int) -> None:
        if n:
            self.drops.add(reason, detail, n)

    def _count_strangers(self, topic: str, batch: Batch, lanes: Sequence[Lane], strangers: NDArray[np.bool_]) -> None:
        names = [batch.source_names[i] for i in batch.source[strangers]]
        misshapen = [name for name in names if any(name in lane.slot_of for lane in lanes)]
        others = len(names) - len(misshapen)
        self._drop(reasons.WRONG_SHAPE, f"{misshapen[:1]} on {topic}", len(misshapen))
        self._drop(reasons.NOT_IN_JOB, f"{names[:1]} on {topic}", others)

    def _all(self) -> list[Lane]:
        return [lane for by_schema in self._lanes.values() for lanes in by_schema.values() for lane in lanes]

    def _window(self, kind: type[WriterModule[Any]], n_slots: int, n_partitions: int) -> Window:
        return Window(
            start_ns=self.start_ns,
            stop_ns=self.stop_ns,
            n_slots=n_slots,
            n_partitions=n_partitions,
            keeps_before=kind.keeps_before,
            repeats=kind.repeats,
        )


def _numbered(names: Iterable[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(names)}


def _by_schema(messages: Sequence[bytes]) -> dict[bytes, Sequence[bytes]]:
    schemas = [message[4:8] for message in messages]
    if schemas and schemas.count(schemas[0]) == len(schemas):
        return {schemas[0]: messages}
    groups: dict[bytes, Any] = {}
    for schema, message in zip(schemas, messages, strict=True):
        groups.setdefault(schema, []).append(message)
    return groups
