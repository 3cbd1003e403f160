import json

from hypothesis import given
from hypothesis import strategies as st

from testbeam.suites.first_light.plan import PULSES_PER_S, PVS, Plan


@given(st.integers(1_600_000_000_000, 2_000_000_000_000), st.integers(2, 500))
def test_the_window_holds_exactly_the_pulses_asked_for(now_ms: int, pulses: int) -> None:
    start_ms, stop_ms = Plan(pulses=pulses).window_ms(now_ms)

    grid_ns = [k * 1_000_000_000 // PULSES_PER_S for k in range(start_ms * PULSES_PER_S // 1000 - 1, stop_ms * PULSES_PER_S // 1000 + 2)]
    assert sum(start_ms * 1_000_000 <= t <= stop_ms * 1_000_000 for t in grid_ns) == pulses
    assert start_ms > now_ms - 1000 // PULSES_PER_S


def test_the_sweep_goes_through_both_alarm_limits_and_comes_back() -> None:
    volts, kelvins = zip(*Plan(steps=20).set_points(), strict=True)

    assert len(volts) == 20
    assert max(volts) > 90
    assert max(kelvins) > 400
    assert volts[-1] < 80
    assert 100 < kelvins[-1] < 350


def test_every_pv_has_a_stream_and_a_log_in_the_file() -> None:
    plan = Plan(pv_prefix="X:")

    assert {stream.channel for stream in plan.streams()} == {f"X:{pv.name}" for pv in PVS}
    assert all(f'"source": "X:{pv.name}"' in plan.nexus_structure() for pv in PVS)
    json.loads(plan.nexus_structure())
