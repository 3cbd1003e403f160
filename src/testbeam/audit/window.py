"""Which messages of one source belong into the file, judged by their payload times in the order Kafka keeps.

Kafka keeps order only within a partition, so each partition is judged by itself; only "the newest before the start" is one of all.
Source: docs/reference/contracts/filewriter.md, "Time and order".
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbeam.audit.reasons import Reason, code

Times = NDArray[np.int64]

_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Which messages came to Kafka, by its own time, before the writer had to read, and which after the stop."""

    early: NDArray[np.bool_]
    late: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is to become of each message of a source.

    reasons: by number, 0 for those that belong into the file. excuses: why the file may lack it all the same, since it came so early or
    so late, 0 for those that it may not lack. first: the place of the newest before the start, -1 for none; if others came out of order,
    one of `instead` may stand for it. older: how many belong into the file although the one before was newer.
    """

    reasons: NDArray[np.int8]
    excuses: NDArray[np.int8]
    first: int
    instead: NDArray[np.intp]
    older: int


def judge(times_ns: Times, partitions: NDArray[np.int64], arrivals: Arrivals, start_ns: int, stop_ns: int, *, events: bool) -> Verdict:
    """Return the verdict on a source's messages, in the order they came within each partition; `events`: by the rules of ev44."""
    zero = times_ns == 0
    reasons = np.where(zero, code(Reason.TIME_ZERO), code(Reason.OUTSIDE_WINDOW)).astype(np.int8)
    excuses = np.where(arrivals.early, code(Reason.BEFORE_READING), 0).astype(np.int8)
    before, late, older = [], [_NONE], 0
    for partition in np.unique(partitions):
        at = np.flatnonzero((partitions == partition) & ~zero)
        time = times_ns[at]
        previous = np.r_[_NEVER, time[:-1]]
        inside = (time >= start_ns) & (time <= stop_ns)
        same = inside & (time == previous) if not events else np.zeros(len(time), bool)
        reasons[at[inside]] = 0
        reasons[at[same]] = code(Reason.SAME_TIME)
        excuses[at[inside & _after_stop(time, arrivals.late[at], stop_ns)]] = code(Reason.AFTER_STOP)
        older += int((inside & ~same & (time < previous)).sum())
        early = time < start_ns
        first_inside = int(np.argmax(inside)) if inside.any() else len(time)
        if early[:first_inside].any():
            before.append(at[np.argmax(np.where(early[:first_inside], time[:first_inside], _NEVER))])
        late.append(at[first_inside:][early[first_inside:]])
    if events:
        return Verdict(reasons=reasons, excuses=excuses, first=-1, instead=_NONE, older=older)
    reasons[(times_ns < start_ns) & ~zero] = code(Reason.SUPERSEDED)
    first = int(before[np.argmax(times_ns[before])]) if before else -1
    newest_ns = times_ns[first] if before else _NEVER
    others = np.concatenate((np.array([at for at in before if at != first], np.intp), *late))
    instead = others[(times_ns[others] >= newest_ns) | (len(before) > 1)]
    if first >= 0:
        reasons[first] = 0
    return Verdict(reasons=reasons, excuses=excuses, first=first, instead=instead, older=older)


def _after_stop(time: Times, late: NDArray[np.bool_], stop_ns: int) -> NDArray[np.bool_]:
    """Tell which came late, and after their source had passed the stop; a clock that jumped before Kafka was there passes nothing."""
    passed = np.maximum.accumulate(np.r_[False, late & (time > stop_ns)])[:-1]
    after: NDArray[np.bool_] = late & passed
    return after


_NONE = np.empty(0, np.intp)
