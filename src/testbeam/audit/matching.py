"""Matching of rows and messages: compared as sets with counts, then in their order."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from testbeam.audit.columns import Ints
from testbeam.audit.digests import Digests
from testbeam.audit.units import Units


class Outcome(IntEnum):
    """What became of a unit; of several for one message the greatest counts."""

    WRITTEN = 1
    EXCUSED = 2
    ALTERED = 3
    MISSING = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Outcome and row (-1 for none) of each unit, and the rows that are nobody's: copies of a unit, or quite unknown.

    misplaced: the units whose row does not come after those of the units before them in their partition.
    """

    outcome: NDArray[np.int8]
    row: NDArray[np.intp]
    doubled: NDArray[np.intp]
    unexpected: NDArray[np.intp]
    misplaced: NDArray[np.intp]


def match(units: Units, time_ns: Ints, digest: Digests) -> Match:
    """Find each unit among the rows with these times and digests."""
    row = _same(units, time_ns, digest)
    written = row >= 0
    rest, rows = np.flatnonzero(~written), _without(len(time_ns), row)
    outcome = np.where(written, np.int8(Outcome.WRITTEN), np.where(units.optional, np.int8(Outcome.EXCUSED), np.int8(Outcome.MISSING)))
    copies = _copies(units, time_ns[rows], digest[rows])
    doubled, rows = rows[copies], rows[~copies]
    for of_units, of_rows in ((units.time_ns, time_ns), (units.digest, digest)):
        paired, with_rows = pair(of_units[rest], of_rows[rows])
        outcome[rest[paired]] = Outcome.ALTERED
        row[rest[paired]] = rows[with_rows]
        rest, rows = np.delete(rest, paired), np.delete(rows, with_rows)
    return Match(outcome=outcome, row=row, doubled=doubled, unexpected=rows, misplaced=_misplaced(units, row, written))


def pair(wanted: Ints, found: Ints) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return places of equal values, the n-th of a value in one with the n-th of it in the other."""
    _values, inverse = np.unique(np.concatenate((wanted, found)), return_inverse=True)
    key_wanted, key_found = (_with_rank(keys) for keys in (inverse[: len(wanted)], inverse[len(wanted) :]))
    _keys, in_wanted, in_found = np.intersect1d(key_wanted, key_found, assume_unique=True, return_indices=True)
    return in_wanted, in_found


def _with_rank(keys: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return numbers that are the same for the n-th occurrence of the same key."""
    order = np.argsort(keys, kind="stable")
    in_order = keys[order]
    place = np.arange(len(keys))
    starts = np.maximum.accumulate(np.where(np.r_[True, in_order[1:] != in_order[:-1]], place, 0)) if len(keys) else place
    rank = np.empty(len(keys), np.intp)
    rank[order] = place - starts
    return rank << 40 | keys  # a key is the place of a value among fewer than 2⁴⁰


def _same(units: Units, time_ns: Ints, digest: Digests) -> NDArray[np.intp]:
    if np.array_equal(units.time_ns, time_ns) and np.array_equal(units.digest, digest):
        return np.arange(len(units), dtype=np.intp)
    row = np.full(len(units), -1, np.intp)
    keys = _keys(units, time_ns, digest)
    paired, with_rows = pair(keys[: len(units)], keys[len(units) :])
    row[paired] = with_rows
    return row


def _keys(units: Units, time_ns: Ints, digest: Digests) -> Ints:
    """Return a number for each pair of time and digest, of the units and then of the rows."""
    times, digests = np.concatenate((units.time_ns, time_ns)), np.concatenate((units.digest, digest))
    order = np.lexsort((digests, times))
    new = np.r_[True, (np.diff(times[order]) != 0) | (np.diff(digests[order]) != 0)] if len(order) else np.empty(0, bool)
    keys = np.empty(len(order), np.int64)
    keys[order] = np.cumsum(new)
    return keys


def _without(n: int, taken: NDArray[np.intp]) -> NDArray[np.intp]:
    free = np.ones(n, bool)
    free[taken[taken >= 0]] = False
    return np.flatnonzero(free)


def _copies(units: Units, time_ns: Ints, digest: Digests) -> NDArray[np.bool_]:
    """Tell which rows are the same as a unit."""
    keys = _keys(units, time_ns, digest)
    return np.isin(keys[len(units) :], keys[: len(units)])


def _misplaced(units: Units, row: NDArray[np.intp], written: NDArray[np.bool_]) -> NDArray[np.intp]:
    found = []
    for partition in np.unique(units.partition):
        here = np.flatnonzero(written & (units.partition == partition))
        rows = row[here]
        found.append(here[rows < np.maximum.accumulate(rows)])
    return np.concatenate(found) if found else np.empty(0, np.intp)
