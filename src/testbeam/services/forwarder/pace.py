"""Pace of the loop: how long updates are let gather before a round, which costs some 0.2 ms however many there are."""

from dataclasses import dataclass

_OVER_S = 0.25
_BUSY_PER_S = 2_000
_WAITS = ((5_000, 0.02), (_BUSY_PER_S, 0.01))  # from so many updates/s on, so many seconds
_SHORTEST_S = 0.002


@dataclass(slots=True)
class Pace:
    """The rate of updates over the last quarter of a second; monotonic seconds come from the caller."""

    per_s: float = 0.0
    _count: int = 0
    _since_s: float | None = None

    def add(self, count: int, now_s: float) -> None:
        """Take in how many updates the last round had."""
        if self._since_s is None:
            self._since_s = now_s
        self._count += count
        passed_s = now_s - self._since_s
        if passed_s >= _OVER_S:
            self.per_s, self._count, self._since_s = self._count / passed_s, 0, now_s

    @property
    def is_busy(self) -> bool:
        """Tell whether more come than are worth a round each."""
        return self.per_s >= _BUSY_PER_S

    def wait_s(self) -> float:
        """Return how long to wait after a round that had updates."""
        return next((wait_s for per_s, wait_s in _WAITS if self.per_s >= per_s), _SHORTEST_S)
