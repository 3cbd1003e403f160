"""How a condition is waited for: one loop with a deadline and a growing pause, which ends early when it can't come true."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from testbeam.kit.seen import Seen

SHORTEST_PAUSE_S = 0.005
LONGEST_PAUSE_S = 0.1
SHARE = 0.1  # of the time waited so far: readiness is seen at most a tenth too late, however long it takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """How a wait ended: `seen` is the last look; `cut_short` that the pause was ended from outside."""

    seen: Seen
    looks: int
    elapsed_s: float
    cut_short: bool = False


def wait_until(
    look: Callable[[], Seen],
    *,
    timeout_s: float,
    pause: Callable[[float], bool],
    clock: Callable[[], float] = time.monotonic,
    on_change: Callable[[Seen], None] = lambda _: None,
) -> Waited:
    """Look until ready, the deadline, or a pause that says it is in vain (returns True).

    Always looks at least once. on_change: called with each look that shows something new.
    """
    started_s = clock()
    looks, last = 0, Seen(ready=False, detail="nothing yet")
    while True:
        seen, looks = safely(look), looks + 1
        if seen != last:
            on_change(seen)
        last = seen
        elapsed_s = clock() - started_s
        if seen.ready or elapsed_s >= timeout_s:
            return Waited(seen=seen, looks=looks, elapsed_s=elapsed_s)
        pause_s = min(max(elapsed_s * SHARE, SHORTEST_PAUSE_S), LONGEST_PAUSE_S, timeout_s - elapsed_s)
        if pause(pause_s):
            return Waited(seen=seen, looks=looks, elapsed_s=clock() - started_s, cut_short=True)


def safely(look: Callable[[], Seen]) -> Seen:
    """Return what a look shows; an exception is shown as "not ready" in its own words."""
    try:
        return look()
    except Exception as error:  # a probe is anybody's code, and the wait must report, not die
        return Seen(ready=False, detail=f"{type(error).__name__}: {error}")
