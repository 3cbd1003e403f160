"""Counters of what was done or dropped, and why: nothing is lost without a count and a line in the log."""

import logging
from collections import Counter
from dataclasses import dataclass, field

_MOST_CHARACTERS = 500  # of a detail, which may name what a message of any size holds


@dataclass(slots=True)
class Drops:
    """Count drops by reason; the 1st, 10th, 100th … of a reason is logged with a line of its detail, so that a flood can't fill the log."""

    log: logging.Logger
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, reason: str, detail: str = "", n: int = 1) -> None:
        """Count `n` drops for `reason`; `detail` names the thing and the place, for the log."""
        before = self.counts[reason]
        self.counts[reason] = after = before + n
        if n > 0 and (before == 0 or len(str(before)) < len(str(after))):
            told = detail if len(detail) <= _MOST_CHARACTERS else f"{detail[:_MOST_CHARACTERS]}…"
            self.log.warning("dropped (%s), %d so far%s", reason, after, f": {told}" if told else "")

    @property
    def total(self) -> int:
        """Return how many were dropped, for all reasons."""
        return self.counts.total()
