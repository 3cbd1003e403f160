"""Keeping up: when data are skipped so that newer ones are not late, and when they are not.

A worker that is behind by more than `max_lag_s` and does not come closer skips data, counting their events, until it is behind by RESUMED_S
at most: the newest are kept, and the delay stays bounded. One that is catching up, as after a pause, skips nothing.
"""

from dataclasses import dataclass

RESUMED_S = 1.0
LOOK_S = 1.0
CLOSER_S = 0.3  # by which the lag has to shrink in each LOOK_S to count as catching up


@dataclass(slots=True)
class KeepingUp:
    """Decides by the lag of what comes; `max_lag_s` 0 never skips. Monotonic seconds come from the caller."""

    max_lag_s: float
    is_skipping: bool = False
    _looked_s: float = float("-inf")
    _lag_then_s: float = 0.0

    def skips(self, lag_s: float, now_s: float) -> bool:
        """Return whether a batch that is so late is to be skipped."""
        if not self.max_lag_s:
            return False
        if self.is_skipping:
            self.is_skipping = lag_s > RESUMED_S
            return self.is_skipping
        if lag_s <= self.max_lag_s:
            self._looked_s = float("-inf")
            return False
        if self._looked_s == float("-inf"):
            self._looked_s, self._lag_then_s = now_s, lag_s
        elif now_s - self._looked_s >= LOOK_S:
            self.is_skipping = self._lag_then_s - lag_s < CLOSER_S
            self._looked_s, self._lag_then_s = now_s, lag_s
        return self.is_skipping
