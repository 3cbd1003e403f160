import itertools

import pytest

from testbeam.clients.waiting import collect_updates, retry, subtest, wait_for_condition
from testbeam.errors import WaitTimeout


def test_the_first_true_value_is_returned() -> None:
    values = iter([0, None, 42, 43])

    assert wait_for_condition(lambda: next(values)) == 42


def test_a_look_that_raises_counts_as_not_yet() -> None:
    looks = itertools.count()

    assert wait_for_condition(lambda: 1 / next(looks)) == 1.0


def test_the_error_says_what_was_waited_for_and_last_seen() -> None:
    with pytest.raises(WaitTimeout, match=r"VOLT-RB is 42: not within 0 s; looked 1 times, last seen: \[\]"):
        wait_for_condition(list, within_s=0, what="VOLT-RB is 42")


def test_the_error_says_the_last_exception() -> None:
    with pytest.raises(WaitTimeout, match="last seen: ZeroDivisionError"):
        wait_for_condition(lambda: 1 / 0, within_s=0)


def test_a_wait_timeout_is_a_timeout_error_too() -> None:
    with pytest.raises(TimeoutError):
        wait_for_condition(lambda: False, within_s=0)


def test_retry_tells_its_function_which_try_is_the_last() -> None:
    told: list[bool] = []

    with pytest.raises(WaitTimeout):
        retry(lambda last: bool(told.append(last)), timeout=0.01)  # type: ignore[func-returns-value]

    assert told[-1] is True
    assert not any(told[:-1])


def test_retry_ends_with_success() -> None:
    tries = iter([False, True])

    retry(lambda _last: next(tries), timeout=60)

    assert list(tries) == []


def test_updates_are_collected_over_several_polls() -> None:
    polls = iter([[1], [], [2, 3]])

    assert collect_updates(lambda: next(polls), count=3) == [1, 2, 3]


def test_too_few_updates_say_how_many_and_the_last() -> None:
    polls = itertools.chain([[7]], itertools.repeat([]))

    with pytest.raises(WaitTimeout, match=r"3 updates: only 1 within 0\.1 s; the last was 7"):
        collect_updates(lambda: next(polls), count=3, within_s=0.1)


def test_an_error_names_its_subtest() -> None:
    with pytest.raises(AssertionError) as failure, subtest("check services"):
        raise AssertionError("no")

    assert failure.value.__notes__ == ["in subtest 'check services'"]
