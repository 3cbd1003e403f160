"""The window of one source: which of its messages belong into the file, judged by their payload times in the order Kafka keeps.

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
    """Which messages came to Kafka, by its own time: before the writer had to read, after the stop, after its leeway; (n,) each.

    A Kafka time says this of its own message only, never of those behind it.
    """

    early: NDArray[np.bool_]
    late: NDArray[np.bool_]
    too_late: NDArray[np.bool_]
    passed_ns: Times  # payload or Kafka time, whichever is earlier: how far the source has surely come
    far_ns: int  # past this the writer need not read on for a source


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is to become of each message of a source.

    reasons: by number, 0 for those that belong into the file. excuses: why the file may lack it all the same, since it came so late, 0 for
    those that it may not lack. first: the place of the newest before the start, -1 for none; if others came out of order,
    one of `instead` may stand for it. older: how many belong into the file although the one before was newer.
    """

    reasons: NDArray[np.int8]
    excuses: NDArray[np.int8]
    first: int
    instead: NDArray[np.intp]
    older: int


def judge(times_ns: Times, partitions: NDArray[np.int64], arrivals: Arrivals, start_ns: int, stop_ns: int, *, events: bool) -> Verdict:
    """Return the verdict on a source's messages, in the order they came within each partition; `events`: by the rules of ev44."""
    zero, early = times_ns == 0, arrivals.early
    reasons = np.where(early, code(Reason.BEFORE_READING), np.where(zero, code(Reason.TIME_ZERO), code(Reason.OUTSIDE_WINDOW))).astype(
        np.int8
    )
    excuses = np.where(arrivals.too_late, code(Reason.TOO_LATE), 0).astype(np.int8)
    zero = zero | early
    before, late, older = [], [_NONE], 0
    for partition in np.unique(partitions):
        at = np.flatnonzero((partitions == partition) & ~zero)
        time = times_ns[at]
        previous = np.r_[_NEVER, time[:-1]]
        inside = (time >= start_ns) & (time <= stop_ns)
        same = inside & (time == previous) if not events else np.zeros(len(time), bool)
        reasons[at[inside]] = 0
        reasons[at[same]] = code(Reason.SAME_TIME)
        after = _after_stop(time, arrivals.late[at], stop_ns) | _after_stop(arrivals.passed_ns[at], None, arrivals.far_ns)
        excuses[at[inside & after]] = code(Reason.AFTER_STOP)
        older += int((inside & ~same & (time < previous)).sum())
        before_start = time < start_ns
        begun = time >= start_ns
        first_inside = int(np.argmax(begun)) if begun.any() else len(time)
        if before_start[:first_inside].any():
            before.append(at[np.argmax(np.where(before_start[:first_inside], time[:first_inside], _NEVER))])
        late.append(at[first_inside:][before_start[first_inside:]])
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


def _after_stop(time: Times, late: NDArray[np.bool_] | None, stop_ns: int) -> NDArray[np.bool_]:
    """Tell which came after their source had passed the stop; of those with `late`, only what came late counts, and passes it."""
    past = time > stop_ns if late is None else late & (time > stop_ns)
    passed: NDArray[np.bool_] = np.maximum.accumulate(np.r_[False, past])[:-1]
    return passed if late is None else late & passed


_NONE = np.empty(0, np.intp)
