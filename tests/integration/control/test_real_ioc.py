"""Devices on records of EPICS base, over PVA and over Channel Access; and watches of many PVs at once."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbeam.clients.control import Client
from testbeam.errors import ScriptFailed
from testbeam.kit.run import Run
from testbeam.kit.stack import Stack
from testbeam.stacks.roles.control.declaration import control
from testbeam.stacks.roles.ioc.declaration import ioc
from testbeam.transport.epics_environment import client_environment
from testbeam.transport.pva.watch import PvaWatch

COUNTING = 300
SETUP = """
devices = dict(
    volt=device("nicos_ess.devices.epics.pva.EpicsAnalogMoveable", readpv="R:VOLT-RB", writepv="R:VOLT", precision=0.001, pva=True),
    volt_ca=device("nicos_ess.devices.epics.pva.EpicsAnalogMoveable", readpv="R:VOLT-RB", writepv="R:VOLT", precision=0.001, pva=False),
    temp=device("nicos_ess.devices.epics.pva.EpicsReadable", readpv="R:TEMP", pva=False),
)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("setups")
    (folder / "one.py").write_text(SETUP)
    (folder / "users").write_text("admin admin plain admin\n")
    daemon = control(setups=[folder], load=["one"], passwords=folder / "users", broker="cache")
    env = {name: value for name, value in daemon.env.items() if name.startswith("EPICS")}
    daemon = daemon.configured(needs=("cache", "ioc"), env=env, options={**daemon.options, "topics": ()})
    with Stack(ioc(prefix="R:", counting=COUNTING), control(name="cache", part="cache"), daemon).run() as running:
        yield running


@pytest.fixture
def client(run: Run) -> Iterator[Client]:
    with run["daemon"].client("admin", "admin") as connected:  # type: ignore[attr-defined]
        yield connected


@pytest.mark.parametrize("device", ["volt", "volt_ca"])
def test_a_record_goes_where_it_is_sent(client: Client, device: str) -> None:
    for target in (12.5, 3.0, 3.0):
        client.maw(client.dev(device), target)
        assert client.read(device) == pytest.approx(target)
    assert client.eval(f"{device}.unit") == "V"
    assert client.status(device)[0] == 200


@pytest.mark.parametrize("device", ["volt", "volt_ca"])
def test_the_records_limits_hold(client: Client, device: str) -> None:
    with pytest.raises(ScriptFailed, match="0 to 100"):
        client.maw(client.dev(device), 101)


@pytest.mark.parametrize("device", ["volt", "volt_ca"])
def test_the_records_alarms_are_in_the_status(client: Client, device: str) -> None:
    client.maw(client.dev(device), 85)
    end_s = time.monotonic() + 10
    while client.status(device)[0] != 210 and time.monotonic() < end_s:
        time.sleep(0.02)

    assert client.status(device) == [210, "R:VOLT-RB: HIGH"]
    client.maw(client.dev(device), 1)


def test_a_change_by_others_is_read(run: Run, client: Client) -> None:
    run["ioc"].pv("R:TEMP").put(301.5)  # type: ignore[attr-defined]

    assert client.read("temp") == pytest.approx(301.5)


def test_both_protocols_find_an_ioc_that_has_come_back(run: Run, client: Client) -> None:
    run["ioc"].restart()
    for device in ("volt", "volt_ca"):
        end_s = time.monotonic() + 30
        while "disconnected" in client.status(device)[1] and time.monotonic() < end_s:
            time.sleep(0.05)
        client.maw(client.dev(device), 7.5)
        assert client.read(device) == pytest.approx(7.5)


def test_every_watched_pv_has_a_value_however_fast_it_changes(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    address = run["ioc"].endpoints["address"]
    for name, value in client_environment([address]).items():
        monkeypatch.setenv(name, value)
    assert os.environ["EPICS_PVA_NAME_SERVERS"]
    names = [f"R:COUNT-{number}" for number in range(COUNTING)]
    watch = PvaWatch()
    try:
        for name in names:
            watch.watch(name)
        end_s = time.monotonic() + 10
        while (missing := [name for name in names if watch.snapshot(name).reading is None]) and time.monotonic() < end_s:
            time.sleep(0.02)
        assert not missing
    finally:
        watch.close()
