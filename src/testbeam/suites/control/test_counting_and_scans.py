"""Counting and scans: presets end counting, every point is measured where it should be, and numbers only rise."""

import time

import pytest

from testbeam.clients.control import Client
from testbeam.errors import ScriptFailed


def counters(client: Client) -> dict[str, int]:
    file = client.runtime_root / "data" / "counters"
    pairs = (line.split() for line in file.read_text().splitlines()) if file.exists() else ()
    return {name: int(number) for name, number in pairs}


def test_count_ends_when_its_time_is_over(client: Client) -> None:
    begin_s = time.monotonic()
    client.count(1)

    assert 1.0 <= time.monotonic() - begin_s < 6
    seconds, monitor, *_ = client.eval("det.read(0)")
    assert seconds == pytest.approx(1, abs=0.2)
    assert monitor == pytest.approx(1000, rel=0.5)


def test_a_scan_measures_at_each_place(client: Client) -> None:
    client.scan(client.dev("SmokeBasicMoveable"), [0, 2, 4], t=0.2)

    scan = client.eval("[tuple(s) if isinstance(s, (list, tuple)) else s for s in [session.experiment.lastscan]]")
    assert scan[0] == counters(client)["scan"]
    assert client.read("SmokeBasicMoveable") == pytest.approx(4, abs=0.01)


def test_each_scan_has_the_next_number(client: Client) -> None:
    before = counters(client).get("scan", 0)
    client.scan(client.dev("SmokeBasicMoveable"), 0, 1, 2, t=0.1)
    client.scan(client.dev("SmokeBasicMoveable"), 0, 1, 2, t=0.1)

    assert counters(client)["scan"] == before + 2
    assert int(client.eval("session.experiment.lastscan")) == before + 2


def test_a_scan_that_would_leave_the_limits_moves_nothing(client: Client) -> None:
    client.maw(client.dev("SmokeBasicMoveable"), 1)

    with pytest.raises(ScriptFailed, match="limit"):
        client.scan(client.dev("SmokeBasicMoveable"), [2, 3, 5000], t=0.1)

    assert client.read("SmokeBasicMoveable") == pytest.approx(1, abs=0.01)


def test_the_points_are_told_on_the_console(client: Client) -> None:
    reqid = client.scan(client.dev("SmokeBasicMoveable"), [3, 4], t=0.1)

    said = [message[3] for message in client.messages(200) if message[5] == reqid]
    assert any("1/2" in line for line in said)
    assert any("2/2" in line for line in said)


def test_several_devices_go_together(client: Client) -> None:
    client.AddSetup("virtual", timeout=30)
    client.execute("scan([SmokeBasicMoveable, VirtualX], [[0, 1], [2, 3]], t=0.1)", timeout=60)

    assert client.read("VirtualX") == pytest.approx(3)
    assert client.read("SmokeBasicMoveable") == pytest.approx(1, abs=0.01)
