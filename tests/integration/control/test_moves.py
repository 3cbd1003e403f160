"""Moves of a motor that shows its motion late: never done before it is there. In soak 500 a lag."""

import os
from pathlib import Path

import pytest

from testbeam.kit.stack import Stack
from testbeam.stacks.roles.control.declaration import control
from testbeam.stacks.roles.pva_server.declaration import pva_server

MOVES = 500 if os.environ.get("TESTBEAM_SOAK") else 9
SETUP = 'devices = dict(m=device("nicos_ess.devices.epics.pva.motor.EpicsMotor", motorpv="TEST:SMOKE:MOTOR", precision=0.001))'
SCRIPT = f"""
import random
early, random_, target = [], random.Random(1), 0.0
for n in range({MOVES}):
    target = random_.uniform(-50, 50) if n % 3 else target + 0.01
    maw(m, target)
    if abs(m.read(0) - target) > 0.002:
        early.append((n, target, m.read(0)))
"""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("lag_s", [0.0, 0.3])
def test_no_move_is_done_before_the_motor_is_there(tmp_path: Path, lag_s: float) -> None:
    (tmp_path / "one.py").write_text(SETUP)
    (tmp_path / "users").write_text("admin admin plain admin\n")
    daemon = control(setups=[tmp_path], load=["one"], passwords=tmp_path / "users", iocs=("pva_server",), broker="cache")
    env = {name: value for name, value in daemon.env.items() if name.startswith("EPICS")}
    daemon = daemon.configured(needs=("cache", "pva_server"), env=env, options={**daemon.options, "topics": ()})
    stack = Stack(pva_server(lag_s=lag_s, speed=500), control(name="cache", part="cache"), daemon)
    with stack.run() as run, run["daemon"].client("admin", "admin") as client:  # type: ignore[attr-defined]
        client.execute(SCRIPT, timeout=800)

        assert client.eval("early") == []
