import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam.errors import StackError
from testbeam.kit.faults.link import check_conditions, conditions_of
from testbeam.kit.faults.proxy.conditions import CLEAR, Conditions, combined

anything = st.builds(
    Conditions,
    latency_ms=st.integers(0, 100),
    jitter_ms=st.integers(0, 100),
    rate_kbps=st.integers(0, 100),
    slice_bytes=st.integers(0, 100),
    slice_delay_ms=st.integers(0, 100),
    limit_bytes=st.integers(-1, 100),
    slow_close_ms=st.integers(0, 100),
    stalled=st.booleans(),
    black_hole=st.booleans(),
    reset=st.booleans(),
    down=st.booleans(),
    seed=st.integers(0, 100),
)


@given(anything, anything, anything)
def test_what_several_conditions_amount_to_does_not_depend_on_their_order(a: Conditions, b: Conditions, c: Conditions) -> None:
    assert combined(a, b, c) == combined(c, a, b) == combined(combined(b, c), a)
    assert combined(a) == combined(a, CLEAR) == a


def test_delays_add_up_the_lowest_limit_counts_and_one_failure_is_enough() -> None:
    one = Conditions(latency_ms=5, rate_kbps=800, limit_bytes=10)
    other = Conditions(latency_ms=7, rate_kbps=80, slice_bytes=3, down=True)

    assert combined(one, other) == Conditions(latency_ms=12, rate_kbps=80, slice_bytes=3, limit_bytes=10, down=True)


def test_a_long_link_has_room_for_what_is_under_way_and_a_slow_one_only_for_that() -> None:
    assert Conditions(rate_kbps=8000, latency_ms=1000).room_bytes == 65536 + 1_000_000
    assert Conditions(latency_ms=1000).room_bytes > 50_000_000
    assert CLEAR.room_bytes == 65536


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({}, "no word says what is wrong"),
        ({"seed": 3}, "no word says what is wrong"),
        ({"latency_ms": -1}, "latency_ms=-1 can't be used; give a number that is not negative"),
        ({"rate_kbps": float("inf")}, "rate_kbps=inf can't be used"),
        ({"latency_ms": float("nan")}, "latency_ms=nan can't be used"),
        ({"limit_bytes": 0}, "limit_bytes=0 can't be used; give at least 1, or reset=True"),
        ({"slice_delay_ms": 5}, "give slice_bytes, too"),
        ({"latencyms": 5}, "'latencyms' is no condition of a link; did you mean latency_ms"),
    ],
)
def test_what_can_not_be_meant_is_refused_with_the_way_out(words: dict[str, float], problem: str) -> None:
    with pytest.raises(StackError, match=problem):
        check_conditions(conditions_of(**words), "both")


def test_a_direction_that_is_none_comes_with_what_is_near() -> None:
    with pytest.raises(StackError, match="direction 'upstrem' is not known; did you mean upstream"):
        check_conditions(Conditions(down=True), "upstrem")
