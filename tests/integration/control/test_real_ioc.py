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
# What an area detector's own records do: the counter goes to zero at a start, images come at 10 Hz, and the last one ends it.
CAMERA = """
record(bo, "CAM:Acquire") { field(ZNAM, "Done") field(ONAM, "Acquire") field(FLNK, "CAM:Begin") }
record(calcout, "CAM:Begin") { field(INPA, "CAM:Acquire") field(CALC, "A") field(OOPT, "Transition To Non-zero")
    field(DOPT, "Use OCAL") field(OCAL, "0") field(OUT, "CAM:NumImagesCounter_RBV PP") }
record(bi, "CAM:Acquire_RBV") { field(INP, "CAM:Acquire CPP") field(ZNAM, "Done") field(ONAM, "Acquiring") }
record(mbbo, "CAM:ImageMode") { field(ZRST, "Single") field(ONST, "Multiple") field(TWST, "Continuous") }
record(longout, "CAM:NumImages") { field(VAL, "1") field(PINI, "YES") }
record(ao, "CAM:AcquireTime") { field(EGU, "s") }
record(longin, "CAM:SizeX_RBV") { field(VAL, "64") field(PINI, "YES") }
record(longin, "CAM:SizeY_RBV") { field(VAL, "32") field(PINI, "YES") }
record(longout, "CAM:NumImagesCounter_RBV") { field(VAL, "0") field(PINI, "YES") }
record(calcout, "CAM:Image") { field(SCAN, ".1 second") field(INPA, "CAM:Acquire") field(INPB, "CAM:NumImagesCounter_RBV") field(CALC, "A")
    field(OOPT, "When Non-zero") field(DOPT, "Use OCAL") field(OCAL, "B+1") field(OUT, "CAM:NumImagesCounter_RBV PP")
    field(FLNK, "CAM:Last") }
record(calcout, "CAM:Last") { field(INPA, "CAM:Acquire") field(INPB, "CAM:NumImagesCounter_RBV") field(INPC, "CAM:NumImages")
    field(INPD, "CAM:ImageMode") field(CALC, "A && D=1 && B>=C") field(OOPT, "When Non-zero") field(DOPT, "Use OCAL") field(OCAL, "0")
    field(OUT, "CAM:Acquire PP") }
"""
SETUP = """
devices = dict(
    volt=device("nicos_ess.devices.epics.pva.EpicsAnalogMoveable", readpv="R:VOLT-RB", writepv="R:VOLT", precision=0.001, pva=True),
    volt_ca=device("nicos_ess.devices.epics.pva.EpicsAnalogMoveable", readpv="R:VOLT-RB", writepv="R:VOLT", precision=0.001, pva=False),
    temp=device("nicos_ess.devices.epics.pva.EpicsReadable", readpv="R:TEMP", pva=False),
    camera=device("nicos_ess.devices.epics.area_detector.AreaDetector", pv_root="CAM:", ad_kafka_topic="t", ad_kafka_source="s"),
    timer=device("nicos_ess.devices.timer.TimerChannel"),
    cameras=device("nicos_ess.devices.epics.area_detector.AreaDetectorCollector", images=["camera"], timers=["timer"]),
    Exp=device("nicos_ess.devices.experiment.EssExperiment", dataroot={root!r}),
)
sysconfig = dict(experiment="Exp")
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("setups")
    (folder / "one.py").write_text(SETUP.replace("{root!r}", repr(str(folder / "data"))))
    camera = folder / "camera.db"
    camera.write_text(CAMERA)
    (folder / "users").write_text("admin admin plain admin\n")
    daemon = control(setups=[folder], load=["one"], passwords=folder / "users", broker="cache", iocs=("ioc", "camera"))
    env = {name: value for name, value in daemon.env.items() if name.startswith("EPICS")}
    daemon = daemon.configured(needs=("cache", "ioc", "camera"), env=env, options={**daemon.options, "topics": ()})
    iocs = (ioc(prefix="R:", counting=COUNTING), ioc(camera, name="camera"))
    with Stack(*iocs, control(name="cache", part="cache"), daemon).run() as running:
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
    end_s = time.monotonic() + 60
    while client.status(device)[0] != 210 and time.monotonic() < end_s:
        time.sleep(0.02)

    assert client.status(device) == [210, "R:VOLT-RB: HIGH"]
    client.maw(client.dev(device), 1)


def test_a_change_by_others_is_read(run: Run, client: Client) -> None:
    run["ioc"].pv("R:TEMP").put(301.5)  # type: ignore[attr-defined]

    assert client.read("temp") == pytest.approx(301.5)


def test_an_area_detector_counts_images_in_scans_again_and_again(client: Client) -> None:
    client.execute("SetDetectors(cameras)")
    for images in (3, 3, 2):  # the second begins where the counter of the first still stands
        begin_s = time.monotonic()
        client.execute(f"found = count(camera={images})")
        assert client.eval("found[1]") == images
        assert time.monotonic() - begin_s > 0.1 * (images - 1)
    client.execute("found = count(t=0.35)")
    assert client.eval("found[1]") >= 1
    assert client.read("camera") == pytest.approx(client.eval("found[1]"), abs=1)
    assert client.eval("session.getDevice('camera').get_array_size('t', 's')") == [32, 64]
    client.scan(client.dev("volt"), [1, 2], camera=2)
    assert client.status("camera")[0] == 200


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
        end_s = time.monotonic() + 60
        while (missing := [name for name in names if watch.snapshot(name).reading is None]) and time.monotonic() < end_s:
            time.sleep(0.02)
        assert not missing
    finally:
        watch.close()
