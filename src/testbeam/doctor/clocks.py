"""Examination of the clocks: fine enough to tell a stack's events apart."""

import time
from collections.abc import Callable
from itertools import pairwise

from testbeam.doctor.finding import Finding, good, limited

FINE_ENOUGH_NS = 100_000
_LOOKS = 2000


def look() -> Finding:
    """Read both clocks again and again."""
    return judge(_step_ns(time.monotonic_ns), _step_ns(time.time_ns))


def judge(monotonic_ns: int, wall_ns: int) -> Finding:
    """Say whether the smallest steps of the two clocks will do."""
    detail = f"smallest step {_words(monotonic_ns)} (monotonic), {_words(wall_ns)} (wall)"
    if max(monotonic_ns, wall_ns) <= FINE_ENOUGH_NS:
        return good(detail)
    return limited(detail, "timelines will be coarse; on a virtual machine choose a better clock source: kvm-clock, hyperv or tsc")


def _step_ns(clock: Callable[[], int]) -> int:
    readings = [clock() for _ in range(_LOOKS)]
    steps = [then - before for before, then in pairwise(readings) if then > before]
    return min(steps, default=1_000_000_000)


def _words(step_ns: int) -> str:
    return f"{step_ns} ns" if step_ns < 1000 else f"{step_ns / 1000:.0f} µs"
