import inspect
from typing import Any, cast

import pytest

from testbeam.errors import StackError
from testbeam.kit.faults.clock import ClockShifted
from testbeam.kit.faults.disk import DiskFull, heeds_no_signal
from testbeam.kit.faults.methods import FaultMethods
from testbeam.kit.faults.pause import Paused
from testbeam.kit.faults.proxy.conditions import Conditions
from testbeam.kit.faults.registry import NAMES
from testbeam.kit.faults.slow import SlowConsumer
from testbeam.kit.handle import Handle

NOBODY = cast(Handle, None)  # a value that can't be used is refused before anybody is asked
METHODS: Any = FaultMethods()


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Paused(NOBODY, 0), "0 s is no time to be paused for"),
        (lambda: DiskFull(NOBODY, -1), "-1 bytes are negative"),
        (lambda: DiskFull(NOBODY, 5, 5), "give one of them"),
        (lambda: SlowConsumer(NOBODY, 1.0), "share=1 can't be used"),
        (lambda: SlowConsumer(NOBODY, 0.0), "share=0 can't be used"),
        (lambda: SlowConsumer(NOBODY, 0.5, 0.001), "period_s=0.001 is too short"),
        (lambda: ClockShifted(NOBODY, 1e12), "at most a century"),
        (lambda: ClockShifted(NOBODY, float("nan")), "at most a century"),
        (lambda: METHODS.fault("pause"), "there is no fault 'pause'; did you mean paused"),
        (lambda: METHODS.fault("paused", longest=5), "fault 'paused' has no option 'longest'; did you mean longest_s"),
        (lambda: METHODS.fault("restarted", handle=5), "fault 'restarted' has no option 'handle'"),
    ],
)
def test_what_can_not_be_meant_is_refused_before_anything_is_broken(make: object, problem: str) -> None:
    with pytest.raises(StackError, match=problem):
        make()  # type: ignore[operator]


def test_every_fault_by_name_is_a_word_of_a_handle() -> None:
    assert [name for name in NAMES if not hasattr(Handle, name)] == ["restarted"]


def test_the_words_of_a_link_are_its_conditions() -> None:
    words = inspect.signature(FaultMethods.link).parameters

    assert set(words) - {"self", "direction", "port"} == set(Conditions.__slots__)
    assert all(words[name].default == getattr(Conditions(), name) for name in Conditions.__slots__)


@pytest.mark.parametrize(
    ("ignored", "caught", "heeds"), [("0000000000000000", "0", True), ("0000000001001000", "0", False), ("0", "0000000001000000", False)]
)
def test_a_program_that_ignores_or_catches_sigxfsz_lives_to_see_the_error(ignored: str, caught: str, heeds: bool) -> None:
    status = f"Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t{ignored}\nSigCgt:\t{caught}\n"

    assert heeds_no_signal(status) is not heeds
