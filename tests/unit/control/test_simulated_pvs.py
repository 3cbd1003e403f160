"""How the simulated devices move."""

import pytest

from testbeam.simulators.pva_server.core import Follower, Motor


def test_a_readback_follows_after_its_delay() -> None:
    follower = Follower(0.5)
    follower.put(3.0, 10.0)

    assert [follower.look(time_s) for time_s in (10.0, 10.49, 10.5, 11.0)] == [0.0, 0.0, 3.0, 3.0]


def test_a_motor_takes_distance_over_speed() -> None:
    motor = Motor(speed=2.0)
    motor.put(10.0, 0.0)

    assert [motor.look(time_s) for time_s in (1.0, 2.5, 4.9, 5.0, 9.0)] == pytest.approx([2.0, 5.0, 9.8, 10.0, 10.0])
    assert motor.shows_done(9.0)
    motor.put(9.0, 10.0)
    assert motor.look(10.25) == pytest.approx(9.5)


def test_a_motor_shows_its_motion_late_and_begins_it_then() -> None:
    motor = Motor(speed=10.0, lag_s=0.3)
    motor.put(1.0, 0.0)

    assert motor.shows_done(0.29)
    assert motor.look(0.29) == 0.0
    assert not motor.shows_done(0.31)
    assert motor.look(0.35) == pytest.approx(0.5)


def test_a_stop_stands_where_it_is_and_a_deaf_one_goes_on() -> None:
    motor, deaf = Motor(speed=1.0), Motor(speed=1.0, deaf=True)
    for one in (motor, deaf):
        one.put(10.0, 0.0)
        one.stop(4.0)

    assert [motor.look(9.0), deaf.look(9.0)] == pytest.approx([4.0, 9.0])


@pytest.mark.parametrize("target", [-101.0, 100.5, float("nan")])
def test_a_target_outside_the_limits_moves_nothing(target: float) -> None:
    motor = Motor(speed=1.0)
    motor.put(target, 0.0)

    assert motor.look(5.0) == 0.0
    assert motor.shows_done(5.0)
