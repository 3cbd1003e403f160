"""Deadline: how much of the allowed time is left."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Deadline:
    """Starts to run when it is made; `within_s` is what was allowed, for the error that names it. `clock` counts seconds, monotonic."""

    within_s: float
    clock: Callable[[], float] = time.monotonic
    _end_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._end_s = self.clock() + self.within_s

    @property
    def left_s(self) -> float:
        """Return the seconds left, never below 0."""
        return max(0.0, self._end_s - self.clock())

    @property
    def passed(self) -> bool:
        """Tell whether the time is up."""
        return self.clock() >= self._end_s
