from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam.errors import StackError
from testbeam.kit.faults.registry import OF_PROCESS
from testbeam.kit.faults.schedule import Between, Choice, Schedule, random_schedule

CHOICES = (
    Choice(service="broker", fault="paused", lasts_s=Between(low=0.5, high=3.0)),
    Choice(service="broker", fault="link", options={"latency_ms": Between(low=10, high=200), "jitter_ms": 5}, weight=2),
    Choice(service="filewriter", fault="killed"),
    Choice(service="filewriter", fault="disk_full"),
)


def test_a_seed_gives_the_same_schedule_on_every_machine() -> None:
    assert str(random_schedule(3, CHOICES, count=3)) == (
        "seed 3, 3 faults:\n"
        "  0.136 s  broker: link(latency_ms=104, jitter_ms=5) for 0.924 s\n"
        "  0.457 s  broker: link(latency_ms=165, jitter_ms=5) for 0.112 s\n"
        "  1.366 s  broker: link(latency_ms=69, jitter_ms=5) for 0.273 s"
    )


def test_another_seed_gives_another_schedule() -> None:
    assert len({str(random_schedule(seed, CHOICES)).partition("\n")[2] for seed in range(50)}) == 50


@given(st.integers(0, 2**32), st.integers(0, 40))
def test_faults_of_one_process_never_overlap_and_all_else_may(seed: int, count: int) -> None:
    schedule = random_schedule(seed, CHOICES, count=count, every_s=0.1)

    assert len(schedule.faults) == count
    assert schedule == random_schedule(seed, CHOICES, count=count, every_s=0.1)
    for one, other in combinations((fault for fault in schedule.faults if fault.fault in OF_PROCESS), 2):
        assert one.service != other.service or one.end_s <= other.at_s or other.end_s <= one.at_s


@given(st.integers(0, 2**32))
def test_each_fault_begins_once_and_ends_once_in_the_order_of_time(seed: int) -> None:
    short = Choice(service="forwarder", fault="paused", lasts_s=Between(low=0, high=0))
    steps = list(random_schedule(seed, (*CHOICES, short), every_s=0.1).steps())

    assert [step.at_s for step in steps] == sorted(step.at_s for step in steps)
    seen: Counter[int] = Counter()
    for step in steps:
        assert seen[step.planned.number] == (step.phase == "end")
        seen[step.planned.number] += 1
    assert set(seen.values()) == {2}


def test_options_are_drawn_within_their_bounds_and_whole_numbers_stay_whole() -> None:
    links = [fault for seed in range(20) for fault in random_schedule(seed, CHOICES).faults if fault.fault == "link"]

    assert {type(fault.options["latency_ms"]) for fault in links} == {int}
    assert all(10 <= fault.options["latency_ms"] <= 200 and fault.options["jitter_ms"] == 5 for fault in links)
    assert len({fault.options["latency_ms"] for fault in links}) > 10


def test_a_weight_says_how_often_a_choice_comes() -> None:
    kinds = Counter(fault.fault for seed in range(100) for fault in random_schedule(seed, CHOICES).faults)

    assert 0.3 < kinds["link"] / kinds.total() < 0.5


def test_no_faults_are_a_schedule_too_but_nothing_to_choose_from_is_an_error() -> None:
    assert random_schedule(1, CHOICES, count=0) == Schedule(seed=1, faults=())
    with pytest.raises(StackError, match="give at least one Choice"):
        random_schedule(1, ())


def test_a_choice_that_can_never_be_is_refused() -> None:
    with pytest.raises(StackError, match="there is no fault 'pause'; did you mean paused"):
        Choice(service="broker", fault="pause")
    with pytest.raises(StackError, match="can't be used"):
        Choice(service="broker", fault="paused", lasts_s=Between(low=2, high=1))
    with pytest.raises(StackError, match="weight 0 can't be used"):
        Choice(service="broker", fault="paused", weight=0)
