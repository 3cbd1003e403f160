"""Devices: they go where they are sent, not beyond their limits, and are never said to have arrived before they have."""

import pytest

from testbeam.clients.control import Client
from testbeam.errors import ScriptFailed

OK, BUSY = 200, 220


@pytest.fixture
def more(client: Client) -> Client:
    client.AddSetup("epics_more", timeout=60)
    return client


def test_a_readback_is_read(client: Client) -> None:
    assert client.read("SmokeBasicReadable") == pytest.approx(1.23)
    assert client.status("SmokeBasicReadable")[0] == OK


@pytest.mark.parametrize("target", [5.0, -3.5, 0.0])
def test_maw_returns_when_the_device_is_there(client: Client, target: float) -> None:
    client.maw(client.dev("SmokeBasicMoveable"), target)

    assert client.read("SmokeBasicMoveable") == pytest.approx(target, abs=0.01)
    assert client.status("SmokeBasicMoveable")[0] == OK


def test_a_move_to_where_it_is_ends(client: Client) -> None:
    for _ in range(2):
        client.maw(client.dev("SmokeBasicMoveable"), 2)

    assert client.read("SmokeBasicMoveable") == pytest.approx(2, abs=0.01)


def test_move_returns_at_once_and_the_device_is_busy_from_then_on(client: Client) -> None:
    client.maw(client.dev("SmokeBasicMoveable"), 0)
    client.execute("move(SmokeBasicMoveable, 7); state_after_move = SmokeBasicMoveable.status(0)[0]")

    assert client.eval("state_after_move") == BUSY
    client.wait(client.dev("SmokeBasicMoveable"))
    assert client.read("SmokeBasicMoveable") == pytest.approx(7, abs=0.01)


def test_a_target_outside_the_limits_is_refused_and_nothing_moves(client: Client) -> None:
    client.maw(client.dev("SmokeBasicMoveable"), 1)

    with pytest.raises(ScriptFailed, match="limit"):
        client.maw(client.dev("SmokeBasicMoveable"), 500)

    assert client.read("SmokeBasicMoveable") == pytest.approx(1, abs=0.01)


def test_a_device_that_is_not_there_is_named(client: Client) -> None:
    with pytest.raises(ScriptFailed, match="nobody"):
        client.execute("maw('nobody', 1)")


def test_a_motor_goes_there_and_back(more: Client) -> None:
    more.maw(more.dev("SmokeMotor"), 4)
    assert more.read("SmokeMotor") == pytest.approx(4, abs=0.01)

    more.maw(more.dev("SmokeMotor"), 4)  # no motion at all
    more.maw(more.dev("SmokeMotor"), 0)
    assert more.read("SmokeMotor") == pytest.approx(0, abs=0.01)


def test_a_motor_does_not_go_beyond_its_soft_limits(more: Client) -> None:
    with pytest.raises(ScriptFailed, match="limit"):
        more.maw(more.dev("SmokeMotor"), 1000)


def test_a_stopped_motor_stands_on_its_way(more: Client) -> None:
    more.maw(more.dev("SmokeMotor"), 0)
    more.execute("move(SmokeMotor, 60)\nsleep(0.3)\nstop(SmokeMotor)\nsleep(0.3)")

    place = more.read("SmokeMotor")
    assert 0 < place < 60
    more.maw(more.dev("SmokeMotor"), 0, timeout=30)


def test_choices_and_texts_are_set_by_their_names(more: Client) -> None:
    more.maw(more.dev("SmokeShutter"), "Open")
    more.maw(more.dev("SmokeName"), "beam line")

    assert more.read("SmokeShutter") == "Open"
    assert more.read("SmokeName") == "beam line"
    with pytest.raises(ScriptFailed):
        more.maw(more.dev("SmokeShutter"), "Ajar")
