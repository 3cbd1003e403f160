"""The ways in: the fixture as the field's tests use it, `testbeam client`, and `testbeam smoke control` with a caller's junk about."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from testbeam.stacks.roles.broker.declaration import BrokerHandle


def read_counters(smoke_client: Any) -> dict[str, int]:
    file = smoke_client.runtime_root / "data" / "counters"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return {key: int(value) for key, value in (line.split() for line in lines)}


def test_the_fixture_works_as_the_fields_tests_use_it(smoke_client: Any) -> None:
    readable, moveable = smoke_client.dev("SmokeBasicReadable"), smoke_client.dev("SmokeBasicMoveable")
    smoke_client.NewSetup("system", "epics_basic", "detector", timeout=90)
    assert smoke_client.status(readable, 0) is not None
    assert math.isclose(float(smoke_client.read(readable, 0)), 1.23, abs_tol=1e-6)
    before = read_counters(smoke_client).get("scan", 0)

    smoke_client.NewExperiment(1234, "smoke run", [{"name": "smoke contact"}], [{"name": "smoke user"}], timeout=90)
    smoke_client.NewSample("smoke-sample", timeout=60)
    smoke_client.SetDetectors("det", timeout=90)
    assert smoke_client.eval("session.experiment.proposal", default="") == "1234"
    assert smoke_client.read("Sample", 0) == "smoke-sample"
    assert "det" in smoke_client.eval("session.experiment.detlist", default=[])
    smoke_client.scan(moveable, [0, 5], timer=0.2)

    assert read_counters(smoke_client)["scan"] == before + 1
    assert moveable.name == "SmokeBasicMoveable"
    assert smoke_client.eval(f"{moveable.name}._epics_wrapper.get_pv_value('TEST:SMOKE:MOVE.RBV')", default=None) == 5


def test_the_client_command_runs_what_it_is_given(smoke_client: Any) -> None:
    address = smoke_client.address
    good = client(address, "-e", "NewSetup('virtual')", "-e", "maw(VirtualX, 1)", "-e", "print('at', VirtualX.read(0))")
    assert (good.returncode, "at 1.0" in good.stdout) == (0, True), good.stderr

    bad = client(address, "-e", "maw(VirtualX, 1000)")
    assert bad.returncode != 0
    assert "limits are -100 to 100" in bad.stderr

    typed = client(address, typed="?1 + 1\n/status\nmaw(VirtualX, 2)\n/nonsense\n/log x\n/quit\n")
    assert ">>> 2\n" in typed.stdout
    assert "setups: virtual" in typed.stdout
    assert "/nonsense is not known" in typed.stdout

    refused = client(address, "-u", "nobody", "-e", "pass")
    assert refused.returncode != 0
    assert "invalid username or password" in refused.stderr


def client(address: str, *words: str, typed: str = "") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "testbeam", "client", address, *words]
    return subprocess.run(
        command, input=typed, capture_output=True, text=True, timeout=60, check=False, env=os.environ | {"COLUMNS": "300"}
    )


def test_smoke_control_passes_with_junk_in_the_callers_variables(tmp_path: Path, shared_broker: BrokerHandle) -> None:
    junk = {"KAFKA_SSL_MECHANISM": "junk", "KAFKA_USER": "junk", "SASL_PASSWORD": "junk", "KAFKA_BOOTSTRAP_SERVERS": "junk:1"}
    answer, runtime = tmp_path / "answer.json", tmp_path / "runtime"
    words = [
        "smoke",
        "control",
        "-k",  # the others run as the suite of control, on a stack that is there
        "test_files or test_setups",
        "--runtime",
        str(runtime),
        "--json",
        str(answer),
        "--no-clean-runtime",
        "--bootstrap",
        shared_broker.bootstrap,
    ]
    ended = subprocess.run(
        [sys.executable, "-m", "testbeam", *words], capture_output=True, text=True, timeout=240, check=False, env=os.environ | junk
    )

    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    assert json.loads(answer.read_text())["ok"] is True
    assert {path.stem for path in (runtime / "log").glob("*.log")} >= {"cache", "poller", "collector", "daemon", "filewriter", "forwarder"}
    assert list((runtime / "run" / "data").rglob("*.hdf"))
