from pathlib import Path

import pytest

from testbeam import ScriptFailed

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def control_setups():
    return [HERE / "instrument/setups"]


@pytest.fixture(scope="module")
def client(smoke_client):
    smoke_client.NewSetup("stage")
    smoke_client.NewExperiment(1234, "the stage")
    return smoke_client


def test_every_device_is_made(client):
    assert client.eval("session.device_failures") == {}


def test_the_stage_goes_where_it_is_sent(client):
    client.maw(client.dev("stage_x"), 3, client.dev("stage_y"), 1)

    assert abs(client.read("stage_x") - 3) < 0.01
    assert client.status("stage_x")[0] == 200


def test_the_stage_stays_within_its_limits(client):
    with pytest.raises(ScriptFailed, match="limits are 0 to 20"):
        client.maw(client.dev("stage_y"), 21)


def test_the_alignment_comes_back_to_where_it_began(client):
    client.maw(client.dev("stage_x"), 5)
    client.align(client.dev("stage_x"), points=5)

    assert abs(client.read("stage_x") - 5) < 0.01
    assert client.eval("session.experiment.lastscan") == 1
