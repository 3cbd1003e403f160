"""Which messages of a source belong into the file: payload time in the job's window, and not the time of the one before.

Works on whole batches. A *slot* is the number of a source; state is kept for each slot of each partition, since only within
a partition Kafka keeps order. All times are ns since 1970.
Source: docs/reference/contracts/filewriter.md, "Time and order". Messages older than the one before are written as they come, and counted.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Slots: TypeAlias = NDArray[np.int32]
TimesNs: TypeAlias = NDArray[np.int64]
Rows: TypeAlias = NDArray[np.intp]

_NEVER = np.iinfo(np.int64).min
_ALWAYS = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of one batch, as row numbers in it; `before` are the newest values before the start, one a slot at most."""

    rows: Rows
    before: Rows
    outside: int
    same_time: int
    older: int


@dataclass(slots=True, kw_only=True)
class Window:
    """The time filter of one kind of writer module on one topic.

    `repeats`: equal times are accepted; `keeps_before`: the newest value before the start is kept (of all partitions).
    """

    start_ns: int
    stop_ns: int
    n_slots: int
    n_partitions: int
    keeps_before: bool = True
    repeats: bool = False
    _last: NDArray[np.int64] = field(init=False)  # [partition, slot] time of the message before
    _seen: NDArray[np.int64] = field(init=False)  # [partition, slot] greatest time so far that Kafka's own time bears out
    _before: NDArray[np.int64] = field(init=False)  # [slot] time of the newest value before the start
    _closed: NDArray[np.bool_] = field(init=False)  # [slot] too late for a value before the start: others were written

    def __post_init__(self) -> None:
        self._last = np.full((self.n_partitions, self.n_slots), _NEVER)
        self._seen = np.full((self.n_partitions, self.n_slots), _NEVER)
        self._before = np.full(self.n_slots, _NEVER)
        self._closed = np.zeros(self.n_slots, bool)

    def take(self, partition: int, slots: Slots, times_ns: TimesNs, kafka_ns: int = _ALWAYS) -> Taken:
        """Sort one batch of one partition; rows come back grouped by slot, in the order they came within each.

        kafka_ns: the Kafka time of its last message. A source is not past what Kafka itself has not come to: its clock may have jumped.
        """
        if not len(slots):
            return Taken(rows=_NONE, before=_NONE, outside=0, same_time=0, older=0)
        order = np.argsort(slots, kind="stable")
        slot, time = slots[order], times_ns[order]
        starts = np.flatnonzero(np.r_[True, slot[1:] != slot[:-1]])
        last = self._times_before(partition, slot, time, starts, kafka_ns)
        early, inside = time < self.start_ns, (time >= self.start_ns) & (time <= self.stop_ns)
        same = inside & (time == last) if not self.repeats else np.zeros(len(slot), bool)
        before, replaced = self._keep_before(slot, time, early) if self.keeps_before else (_NONE, 0)
        written = inside & ~same
        return Taken(
            rows=order[written],
            before=order[before],
            outside=int(len(slot) - inside.sum()) - len(before) + replaced,
            same_time=int(same.sum()),
            older=int((written & (time < last)).sum()),
        )

    def close_before(self, slots: Slots) -> None:
        """Note that values of these slots were written: a value before the start can't be put in front any more."""
        self._closed[slots] = True

    def done(self, partition: int) -> bool:
        """Tell whether every source has come past the stop in this partition."""
        return bool((self._seen[partition] > self.stop_ns).all())

    def _times_before(self, partition: int, slot: Slots, time: TimesNs, starts: Rows, kafka_ns: int) -> TimesNs:
        last = np.empty_like(time)
        last[1:] = time[:-1]
        groups, ends = slot[starts], np.r_[starts[1:], len(slot)] - 1
        last[starts] = self._last[partition, groups]
        self._last[partition, groups] = time[ends]
        newest = np.minimum(np.maximum.reduceat(time, starts), kafka_ns)
        self._seen[partition, groups] = np.maximum(self._seen[partition, groups], newest)
        return last

    def _keep_before(self, slot: Slots, time: TimesNs, early: NDArray[np.bool_]) -> tuple[Rows, int]:
        """Return the rows of new newest values before the start, and how many older ones they replace."""
        rows = np.flatnonzero(early & ~self._closed[slot])
        if not len(rows):
            return _NONE, 0
        newest = rows[np.lexsort((-rows, time[rows], slot[rows]))]  # by slot, then time; of equal times the first comes last
        newest = newest[np.r_[slot[newest][1:] != slot[newest][:-1], True]]
        newest = newest[time[newest] > self._before[slot[newest]]]
        replaced = int((self._before[slot[newest]] != _NEVER).sum())
        self._before[slot[newest]] = time[newest]
        return newest, replaced


_NONE: Rows = np.empty(0, np.intp)
