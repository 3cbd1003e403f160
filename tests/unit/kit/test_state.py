from itertools import pairwise

import pytest

from testbeam.errors import StackError
from testbeam.kit.state import State, step


def test_a_service_goes_up_pauses_and_goes_down() -> None:
    states = [State.DECLARED, State.STARTING, State.READY, State.PAUSED, State.READY, State.STOPPING, State.STOPPED, State.STARTING]

    assert [step("x", now, then) for now, then in pairwise(states)] == states[1:]


def test_a_step_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(StackError, match="service 'ioc' is declared and can't become ready; from here it can become starting, stopped"):
        step("ioc", State.DECLARED, State.READY)


@pytest.mark.parametrize("state", State)
def test_every_state_can_be_left(state: State) -> None:
    assert [then for then in State if _allowed(state, then)]


@pytest.mark.parametrize("state", [State.STOPPED, State.FAILED, State.CRASHED])
def test_an_ended_service_can_only_be_started_again(state: State) -> None:
    assert [then for then in State if _allowed(state, then)] == [State.STARTING]


def _allowed(now: State, then: State) -> bool:
    try:
        step("x", now, then)
    except StackError:
        return False
    return True
