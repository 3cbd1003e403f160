"""Plausibility of times: which messages of a stream have a time that can be, and which wait for others to confirm it.

A stream's reference is the newest time that was accepted. What is at most HORIZON ahead of it is accepted, and what is behind, as late
messages are data, too. A message further ahead is accepted if it is not ahead of Kafka's time and the wall clock by more than that, as
after a gap; else it waits: the next one near it confirms it (a source whose clock is ahead), one that fits refutes it (a poisoned time),
and so does a second without either. Times before the year 2000 are never accepted. Several messages in a row that are far behind move the
reference back, so that a wrong one that was accepted does no lasting harm.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from testbeam.model.time import NS_PER_S

HORIZON_NS = 10 * NS_PER_S
EARLIEST_NS = 946_684_800 * NS_PER_S  # the year 2000
MOST_WAIT_S = 1.0
TO_MOVE_BACK = 5
MOST_HELD = 100


class Verdict(IntEnum):
    """What becomes of a message."""

    ACCEPT = 0
    HOLD = 1
    DROP = 2


@dataclass(slots=True)
class StreamClock:
    """Judges the times of one stream; monotonic seconds and the wall clock come from the caller.

    Messages that are held are the caller's to keep; `judge` says of them all what becomes of them, before the messages it judges.
    """

    reference_ns: int | None = None
    held: int = 0
    _held_ns: int = 0
    _held_since_s: float = 0.0
    _behind: int = 0

    def judge(
        self, stamps_ns: NDArray[np.int64], kafka_ns: Sequence[int], now_s: float, now_ns: int
    ) -> tuple[Verdict, NDArray[np.int8] | None]:
        """Return what becomes of those held before, and of each of these; None accepts all. `kafka_ns` is Kafka's time of each."""
        if self._all_near(stamps_ns):
            return Verdict.HOLD, None
        before, verdicts = Verdict.HOLD, np.zeros(len(stamps_ns), np.int8)
        waiting: list[int] = []
        for place, stamp_ns in enumerate(stamps_ns.tolist()):
            verdict, of_held = self._one(stamp_ns, now_s, min(kafka_ns[place], now_ns))
            if of_held is not Verdict.HOLD:
                verdicts[waiting], waiting = of_held, []
                before = of_held if before is Verdict.HOLD else before
            verdicts[place] = verdict
            if verdict is Verdict.HOLD:
                waiting.append(place)
        return before, verdicts

    def tick(self, now_s: float) -> Verdict:
        """Return what becomes of the messages that are held, by now."""
        if not self.held or now_s - self._held_since_s < MOST_WAIT_S:
            return Verdict.HOLD
        self.held = 0
        return Verdict.DROP

    def _all_near(self, stamps_ns: NDArray[np.int64]) -> bool:
        if self.reference_ns is None or self.held or self._behind:
            return False
        low, high = int(stamps_ns.min()), int(stamps_ns.max())
        if low < self.reference_ns - HORIZON_NS or low < EARLIEST_NS:
            return False
        if high > self.reference_ns + HORIZON_NS:
            joined = np.sort(np.append(stamps_ns, self.reference_ns))
            if int(np.diff(joined).max()) > HORIZON_NS:
                return False
        self.reference_ns = max(self.reference_ns, high)
        return True

    def _one(self, stamp_ns: int, now_s: float, latest_ns: int) -> tuple[Verdict, Verdict]:
        """Return what becomes of one message, and of those held."""
        if stamp_ns < EARLIEST_NS:
            return Verdict.DROP, Verdict.HOLD
        if self.held and 0 < abs(stamp_ns - self._held_ns) <= HORIZON_NS:
            self._accept(max(stamp_ns, self._held_ns))
            return Verdict.ACCEPT, Verdict.ACCEPT
        if stamp_ns <= max(latest_ns, self.reference_ns or 0) + HORIZON_NS:
            refuted = Verdict.DROP if self.held else Verdict.HOLD
            self._accept(stamp_ns)
            return Verdict.ACCEPT, refuted
        return self._hold(stamp_ns, now_s)

    def _hold(self, stamp_ns: int, now_s: float) -> tuple[Verdict, Verdict]:
        if self.held >= MOST_HELD:
            return Verdict.DROP, Verdict.HOLD
        other = self.held > 0 and stamp_ns != self._held_ns
        self.held = 1 if other else self.held + 1
        if self.held == 1:
            self._held_ns, self._held_since_s = stamp_ns, now_s
        return Verdict.HOLD, Verdict.DROP if other else Verdict.HOLD

    def _accept(self, stamp_ns: int) -> None:
        self.held = 0
        if self.reference_ns is None or stamp_ns >= self.reference_ns - HORIZON_NS:
            self._behind = 0
            self.reference_ns = max(stamp_ns, self.reference_ns or 0)
            return
        self._behind += 1
        if self._behind >= TO_MOVE_BACK:
            self.reference_ns, self._behind = stamp_ns, 0
