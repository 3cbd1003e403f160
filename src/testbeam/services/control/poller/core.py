"""Poll times of devices. Pure: times (s) come in.

A device is read every `pollinterval`, twice a second while it is busy; one that tells its changes by itself is read when it has. A
device that fails is tried again after a pause that doubles up to its interval: one that has come back is polled within an interval.
"""

import heapq
from dataclasses import dataclass, field

BUSY_S = 0.5
FIRST_RETRY_S = 1.0
DEFAULT_INTERVAL_S = 5.0


@dataclass(slots=True)
class Plan:
    """One device's: how often, and how often it has failed in a row."""

    interval_s: float
    due_s: float
    failures: int = 0


@dataclass(slots=True)
class Schedule:
    """What is due when."""

    plans: dict[str, Plan] = field(default_factory=dict)
    _heap: list[tuple[float, str]] = field(default_factory=list)

    def add(self, name: str, interval_s: float | None, now_s: float) -> None:
        """Poll a device from now on; without an interval only when it says so."""
        plan = self.plans[name] = Plan(float("inf") if interval_s is None else interval_s, now_s)
        heapq.heappush(self._heap, (plan.due_s, name))

    def remove(self, name: str) -> None:
        """Poll a device no more."""
        self.plans.pop(name, None)

    def soon(self, name: str, now_s: float) -> None:
        """Poll a device at the next look: it has changed."""
        plan = self.plans.get(name)
        if plan is not None and plan.due_s > now_s:
            plan.due_s = now_s
            heapq.heappush(self._heap, (now_s, name))

    def done(self, name: str, now_s: float, *, busy: bool = False, failed: bool = False) -> None:
        """Note how a poll went; this says when the next one is."""
        plan = self.plans.get(name)
        if plan is None:
            return
        plan.failures = plan.failures + 1 if failed else 0
        pause_s = plan.interval_s
        if failed:
            pause_s = min(FIRST_RETRY_S * 2 ** min(plan.failures - 1, 10), max(plan.interval_s, FIRST_RETRY_S), 60.0)
        elif busy:
            pause_s = min(BUSY_S, plan.interval_s)
        plan.due_s = now_s + pause_s
        if plan.due_s != float("inf"):
            heapq.heappush(self._heap, (plan.due_s, name))

    def due(self, now_s: float) -> list[str]:
        """Return what is due, once each."""
        found: dict[str, None] = {}
        while self._heap and self._heap[0][0] <= now_s:
            due_s, name = heapq.heappop(self._heap)
            plan = self.plans.get(name)
            if plan is not None and plan.due_s == due_s:
                found[name] = None
        return list(found)

    def next_s(self) -> float | None:
        """Return when the next is due."""
        return self._heap[0][0] if self._heap else None


def setups_to_poll(mastered: list[str], known: set[str], always: tuple[str, ...], never: tuple[str, ...]) -> list[str]:
    """Return the setups to poll: those that the daemon has loaded and those of `always`, without those of `never`."""
    return [name for name in dict.fromkeys((*always, *mastered)) if name in known and name not in never]
