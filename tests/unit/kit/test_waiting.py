from dataclasses import dataclass, field

import pytest

from testbeam.kit.probing import LONGEST_PAUSE_S, wait_until
from testbeam.kit.spec import ProbeResult


@dataclass
class Time:
    """A clock that only pauses move on; `cut_at_s` is when a pause is cut short."""

    now_s: float = 0.0
    cut_at_s: float = float("inf")
    pauses: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now_s

    def pause(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        self.now_s += seconds
        return self.now_s >= self.cut_at_s


def not_yet() -> ProbeResult:
    return ProbeResult(ready=False, detail="refused")


def test_a_condition_that_holds_is_not_waited_for() -> None:
    time = Time()

    waited = wait_until(lambda: ProbeResult(ready=True, detail="ok"), timeout_s=0, pause=time.pause, clock=time.clock)

    assert (waited.seen.detail, waited.attempts, time.pauses) == ("ok", 1, [])


def test_the_pauses_grow_from_5_to_100_ms_and_end_at_the_deadline() -> None:
    time = Time()

    waited = wait_until(not_yet, timeout_s=2, pause=time.pause, clock=time.clock)

    assert time.pauses[0] == 0.005
    assert max(time.pauses) == LONGEST_PAUSE_S == 0.1
    assert time.pauses[:-1] == sorted(time.pauses[:-1])
    assert waited.elapsed_s == pytest.approx(2)
    assert not waited.seen.ready
    assert not waited.cut_short


def test_the_last_look_is_at_the_deadline() -> None:
    time = Time()

    waited = wait_until(lambda: ProbeResult(ready=time.now_s >= 1, detail=""), timeout_s=1, pause=time.pause, clock=time.clock)

    assert waited.seen.ready


def test_a_wait_that_has_become_vain_ends_at_once() -> None:
    time = Time(cut_at_s=0.3)

    waited = wait_until(not_yet, timeout_s=60, pause=time.pause, clock=time.clock)

    assert waited.cut_short
    assert waited.elapsed_s < 0.3 + LONGEST_PAUSE_S


def test_an_exception_is_not_ready_and_is_seen_in_its_own_words() -> None:
    time = Time()

    def look() -> ProbeResult:
        raise ConnectionError("no broker at 127.0.0.1:9092")

    waited = wait_until(look, timeout_s=0.01, pause=time.pause, clock=time.clock)

    assert waited.seen == ProbeResult(ready=False, detail="ConnectionError: no broker at 127.0.0.1:9092")


def test_only_what_is_new_is_told() -> None:
    time = Time()
    told: list[str] = []

    def look() -> ProbeResult:
        return ProbeResult(ready=time.now_s > 0.5, detail="up" if time.now_s > 0.2 else "refused")

    wait_until(look, timeout_s=1, pause=time.pause, clock=time.clock, on_change=lambda seen: told.append(f"{seen.detail} {seen.ready}"))

    assert told == ["refused False", "up False", "up True"]
