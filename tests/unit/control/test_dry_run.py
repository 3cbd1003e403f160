"""A dry run reaches nothing: no PV, no Kafka, no cache, whatever the script asks of its devices."""

from collections.abc import Sequence
from typing import Any

import pytest

from testbeam.services.control.daemon.dry_run import DryRun
from tests.unit.control.holding import FakeSession, setup

PVA = "nicos_ess.devices.epics.pva"
DEVICES = {
    "m": ("nicos.devices.generic.VirtualMotor", {"speed": 2, "abslimits": (-10, 10)}),
    "shutter": (f"{PVA}.shutter.EpicsShutter", {"readpv": "S", "writepv": "S", "resetpv": "S.RESET", "mapping": {"Open": 1, "Closed": 0}}),
    "motor": (f"{PVA}.motor.EpicsMotor", {"motorpv": "M"}),
    "volt": (f"{PVA}.EpicsAnalogMoveable", {"readpv": "V", "writepv": "V"}),
    "timer": ("nicos.devices.generic.VirtualTimer", {}),
    "det": ("nicos.devices.generic.Detector", {"timers": ["timer"]}),
    "Exp": ("nicos_ess.devices.experiment.EssExperiment", {"dataroot": "/nowhere"}),
}


@pytest.fixture
def real() -> FakeSession:
    session = FakeSession({"one": setup("one", DEVICES, sysconfig={"experiment": "Exp"})})
    for name in ("S", "V", "M.RBV", "M.VAL", "M.DMOV", "M.LLM", "M.HLM", "M.HLS", "M.LLS", "M.MISS", "M.VELO"):
        session.fake.set(name, 1.0 if name == "M.DMOV" else 0.0)
    session.load(["one"])
    return session


def run(real: FakeSession, text: str) -> tuple[float, Sequence[Any]]:
    told: list[Any] = []
    seconds, _, _ = DryRun(real, {}, "0", told.append).run(text, "", {})
    return seconds, told


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("maw(m, 4)\nmaw(m, 0)", 4.0),
        ("SetDetectors(det)\nscan(m, [0, 2], t=3)", 7.0),
        ("for n in range(3):\n    sleep(2)", 6.0),
        ("reset(shutter)\nadjust(m, 5)\nmaw(m, 7)", 1.0),
        ("maw(shutter, 'Open')\nmaw(volt, 5)\nstop()\nenable()", 0.0),
        ("x = session.getDevice('m')\nmaw(x, 2)", 1.0),
    ],
)
def test_it_tells_how_long_a_script_takes_and_touches_nothing(real: FakeSession, text: str, seconds: float) -> None:
    found, told = run(real, text)

    assert found == pytest.approx(seconds), told
    assert not real.fake.puts
    assert real.devices["m"].target is None


def test_a_limit_ends_it_with_the_line(real: FakeSession) -> None:
    found, told = run(real, "maw(m, 1)\nmaw(m, 50)")

    assert found == -1
    assert "limits are -10 to 10 (line 2)" in told[-1][3]


@pytest.mark.parametrize("text", ["shutter.reset()", "volt.put('writepv', 5)"])
def test_what_a_script_asks_of_a_device_itself_gets_nowhere(real: FakeSession, text: str) -> None:
    found, told = run(real, text)

    assert found == -1
    assert "a dry run reaches no PV" in told[-1][3]
    assert not real.fake.puts
