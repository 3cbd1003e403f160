"""Stream writers of a job: the time window of each source, and accepted messages on their way to the writer modules.

One stream writer serves all sources of one kind of module on one topic. A *slot* is the number of a source. A flush sorts everything
that waits by source and hands each module its rows at once, so that thousands of slow sources cost no more writes than a few fast ones.

What is in the file is a function of what each partition holds, in its order. How Kafka's portions cut it, how fast one partition is
read against another, and when the stop was set make no difference: see `Window`, and `StreamWriter.finish` for sources that send to
several partitions.
Source: docs/reference/contracts/filewriter.md, "Time and order".
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from testbeam.services.filewriter.batches import Batch, Index, Rows, Slots, TimesNs
from testbeam.services.filewriter.modules.base import WriterModule

KafkaTimes: TypeAlias = Callable[[Index], TimesNs]
"""Gives the Kafka times, ns since 1970, of messages by their places in the batch."""

_NEVER = np.iinfo(np.int64).min
_FOREVER = np.iinfo(np.int64).max
_NONE: Index = np.empty(0, np.intp)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of one batch, as places in it; `before` are the newest values before the start, one a slot at most."""

    rows: Index
    before: Index
    outside: int = 0
    same_time: int = 0
    after_stop: int = 0
    older: int = 0


@dataclass(slots=True, kw_only=True)
class Window:
    """Time filter of one stream writer; all times are ns since 1970, state is kept for each slot of each partition.

    A message is taken by its payload time: start ≤ t ≤ stop, and until the stop is `fixed` whatever is later, too: it may still be moved,
    and what turns out to be after it is cut from the file at the end. The newest value before the start is that of all partitions, in each
    of them of those before the source's first value at or after the start; of equal ones the first of the lowest partition.
    A source that came `leeway_ns` past the stop, by its own time and by Kafka's, is done: what it sends after that is left out, however
    it is dated, since nobody need have read it. (Not so while the stop may still be moved: what is read then is judged by its time alone.)
    `repeats`: equal times are accepted; `keeps_before`: the newest value before the start is kept. A message older than the one before
    it is written as it comes, and counted.
    """

    start_ns: int
    stop_ns: int
    n_slots: int
    n_partitions: int
    leeway_ns: int = 2**63 - 1
    fixed: bool = True
    keeps_before: bool = True
    repeats: bool = False
    _last: NDArray[np.int64] = field(init=False)  # [partition, slot] time of the message before
    _passed: NDArray[np.int64] = field(init=False)  # [partition, slot] latest time past the stop that Kafka's own time bears out
    _begun: NDArray[np.bool_] = field(init=False)  # [partition, slot] a message at or after the start was seen
    _before: NDArray[np.int64] = field(init=False)  # [slot] time of the newest value before the start
    _before_at: NDArray[np.int64] = field(init=False)  # [slot] its partition

    def __post_init__(self) -> None:
        shape = (self.n_partitions, self.n_slots)
        self._last, self._passed, self._begun = np.full(shape, _NEVER), np.full(shape, _NEVER), np.zeros(shape, bool)
        self._before, self._before_at = np.full(self.n_slots, _NEVER), np.zeros(self.n_slots, np.int64)

    def add_partition(self) -> None:
        """Make room for one more partition of the topic."""
        one = (1, self.n_slots)
        self.n_partitions += 1
        self._last, self._passed = (np.concatenate((a, np.full(one, _NEVER))) for a in (self._last, self._passed))
        self._begun = np.concatenate((self._begun, np.zeros(one, bool)))

    def take(self, partition: int, slots: Slots, times_ns: TimesNs, kafka_ns: KafkaTimes | None = None) -> Taken:
        """Sort one batch of one partition; places come back grouped by slot, in the order of arrival within each.

        slots, times_ns: (n,). Without `kafka_ns` Kafka's times are those of the payloads.
        """
        if not len(slots):
            return Taken(rows=_NONE, before=_NONE)
        order = np.argsort(slots, kind="stable")
        slot, time = slots[order], times_ns[order]
        starts = np.flatnonzero(np.r_[True, slot[1:] != slot[:-1]])
        last = self._times_before(partition, slot, time, starts)
        inside = (time >= self.start_ns) & ((time <= self.stop_ns) if self.fixed else True)
        after = inside & self._after_stop(partition, slot, time, order, kafka_ns)
        same = inside & ~after & (time == last) if not self.repeats else np.zeros(len(slot), bool)
        before, replaced = self._keep_before(partition, slot, time) if self.keeps_before else (_NONE, 0)
        written = inside & ~same & ~after
        return Taken(
            rows=order[written],
            before=order[before],
            outside=int(len(slot) - inside.sum()) - len(before) + replaced,
            same_time=int(same.sum()),
            after_stop=int(after.sum()),
            older=int((written & (time < last)).sum()),
        )

    def done(self, partition: int, beyond_ns: int = 0) -> bool:
        """Tell whether every source has come `beyond_ns` past the stop in this partition."""
        return bool((self._passed[partition] > min(self.stop_ns + beyond_ns, _FOREVER)).all())

    def _times_before(self, partition: int, slot: Slots, time: TimesNs, starts: Index) -> TimesNs:
        last = np.empty_like(time)
        last[1:] = time[:-1]
        groups, ends = slot[starts], np.r_[starts[1:], len(slot)] - 1
        last[starts] = self._last[partition, groups]
        self._last[partition, groups] = time[ends]
        return last

    def _after_stop(self, partition: int, slot: Slots, time: TimesNs, order: Index, kafka_ns: KafkaTimes | None) -> NDArray[np.bool_]:
        """Return which come after their source was done, and note which sources come past the stop."""
        limit_ns = min(self.stop_ns + self.leeway_ns, _FOREVER) if self.fixed else _FOREVER
        after: NDArray[np.bool_] = self._passed[partition, slot] > limit_ns
        late = np.flatnonzero(time > self.stop_ns)
        if len(late):
            passed = time[late] if kafka_ns is None else np.minimum(time[late], kafka_ns(order[late]))
            np.maximum.at(self._passed[partition], slot[late], passed)
            first = np.full(self.n_slots, len(slot))
            done = late[passed > limit_ns]
            np.minimum.at(first, slot[done], done)
            after |= np.arange(len(slot)) > first[slot]
        return after

    def _keep_before(self, partition: int, slot: Slots, time: TimesNs) -> tuple[Index, int]:
        """Return the places of new newest values before the start, and how many older ones they replace."""
        begun = np.flatnonzero(time >= self.start_ns)
        first = np.where(self._begun[partition], -1, len(slot))
        np.minimum.at(first, slot[begun], begun)
        self._begun[partition, slot[begun]] = True
        rows = np.flatnonzero((time < self.start_ns) & (np.arange(len(slot)) < first[slot]))
        if not len(rows):
            return _NONE, 0
        newest = rows[np.lexsort((-rows, time[rows], slot[rows]))]  # by slot, then time; of equal times the first comes last
        newest = newest[np.r_[slot[newest][1:] != slot[newest][:-1], True]]
        there, then = self._before[slot[newest]], time[newest]
        newest = newest[(then > there) | ((then == there) & (partition < self._before_at[slot[newest]]))]
        replaced = int((self._before[slot[newest]] != _NEVER).sum())
        self._before[slot[newest]], self._before_at[slot[newest]] = time[newest], partition
        return newest, replaced


@dataclass(slots=True)
class StreamWriter:
    """`slot_of` numbers the sources; `targets[slot]` are the modules that write one; `shape` is that of the messages taken."""

    window: Window
    slot_of: dict[str, int]
    targets: Sequence[Sequence[WriterModule[Any]]]
    shape: str = ""
    accepted: int = 0  # messages that are in the file, or will be
    waiting_bytes: int = 0
    newest_ns: int = 0
    _waiting: dict[int, list[tuple[Slots, TimesNs, Rows]]] = field(default_factory=dict)  # by partition
    _before: dict[int, tuple[TimesNs, Rows, int]] = field(default_factory=dict)  # by slot, not written yet; with its partition
    _touched: set[int] = field(default_factory=set)
    _names: Sequence[str] = ()
    _slots: Slots = field(default_factory=lambda: np.empty(0, np.int32))

    def slots(self, batch: Batch) -> Slots:
        """Return the slot of each message, -1 for sources of others."""
        if batch.source_names != self._names:  # often those of the batch before
            get = self.slot_of.get
            self._names, self._slots = batch.source_names, np.array([get(name, -1) for name in batch.source_names], np.int32)
        return self._slots[batch.source]

    def take(self, partition: int, batch: Batch, slots: Slots, chosen: NDArray[np.bool_], kafka_ns: KafkaTimes | None) -> Taken:
        """Keep what the window accepts of the chosen messages."""
        which = np.flatnonzero(chosen)
        slots, times = slots[which], batch.times_ns[which]
        taken = self.window.take(partition, slots, times, kafka_ns and (lambda rows: kafka_ns(batch.row[which[rows]])))
        if len(taken.rows):
            self._waiting.setdefault(partition, []).append((slots[taken.rows], times[taken.rows], batch.rows.select(which[taken.rows])))
            self.newest_ns = max(self.newest_ns, int(times[taken.rows].max()))
            self.waiting_bytes += batch.nbytes * len(taken.rows) // len(batch.rows)
        self.accepted += len(which) - taken.outside - taken.same_time - taken.after_stop
        for row in taken.before:
            self._before[int(slots[row])] = (times[row : row + 1], batch.rows.select(which[row : row + 1]), partition)
        return taken

    @property
    def is_full(self) -> bool:
        """Tell whether enough waits for long writes."""
        parts = next(iter(self._waiting.values()), None)
        return parts is not None and self.waiting_bytes >= parts[0][2].flush_bytes

    def flush(self) -> None:
        """Hand all that waits to the modules, which write it."""
        touched = set()
        for partition, slot, times, rows in self._by_partition_and_slot():
            touched.add(slot)
            if slot not in self._touched:
                self._touched.add(slot)
                self._write_before(slot)
            for module in self.targets[slot]:
                module.write(times, rows, partition)
        self._waiting.clear()
        self.waiting_bytes = 0
        for slot in touched:
            for module in self.targets[slot]:
                module.flush()

    def finish(self, stop_ns: int) -> tuple[int, int]:
        """Write everything, also sources with nothing but a value before the start; cut at the stop; put partitions in order.

        A source that sends to several partitions comes in the order in which they were read, and its newest value before the start may
        come last: its rows are sorted at the end, by time as far as the order within each partition allows.
        Returns how many messages were cut off, and how many did not fit their datasets.
        """
        self.flush()
        for slot in sorted(self._before):
            self._write_before(slot)
        removed = misfits = 0
        for modules in self.targets:
            removed += min([module.cut(stop_ns) for module in modules])
            misfits += min(module.misfits for module in modules)
            for module in modules:
                module.sort()
                module.finish()
        self.accepted -= removed + misfits
        return removed, misfits

    def _by_partition_and_slot(self) -> Iterator[tuple[int, int, TimesNs, Rows]]:
        for partition in sorted(self._waiting):
            parts = self._waiting[partition]
            for slot, times, rows in type(parts[0][2]).by_slot(parts):
                yield partition, slot, times, rows

    def _write_before(self, slot: int) -> None:
        if slot in self._before:
            times, rows, partition = self._before.pop(slot)
            for module in self.targets[slot]:
                module.write_before(times, rows, partition)
