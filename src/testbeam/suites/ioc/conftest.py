"""The stack of the suite: a device, an IOC under test, and a second one linked to it."""

import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbeam.clients.pvs import PvHandle
from testbeam.kit.probes.listening import PortListens
from testbeam.kit.spec import Port, Service
from testbeam.kit.stack import Stack
from testbeam.pytest_plugin.fixtures import shared_run as shared_run  # this suite's own, where one session runs several
from testbeam.stacks.roles.ioc.declaration import ioc
from testbeam.suites.subject import Subject

HERE = Path(__file__).parent
PREFIX, OTHER = "SUITE:", "OTHER:"


def device() -> Service:
    """Return the simulated device."""
    file = str(HERE / "device.py").replace("$", "$$")
    command = ("${python}", "-m", "testbeam.simulators.devices", "--device", f"{file}:SuiteDevice", "--port", "${port.device}")
    return Service(
        "device",
        command=(*command, "--backdoor", "backdoor"),
        ports=(Port(name="device"),),
        endpoints={"device": "127.0.0.1:${port.device}"},
        ready=PortListens("device"),
    )


def environment(prefix: str, other: str = "") -> dict[str, str]:
    """Return what `suite.cmd` reads."""
    return {
        "IOC_SUITE": str(HERE).replace("$", "$$"),
        "IOC_SUITE_DEVICE": "${device.device}",
        "IOC_SUITE_PREFIX": prefix,
        "IOC_SUITE_OTHER": other,
        "IOC_SUITE_SAVED": "${dir}",
    }


@pytest.fixture(scope="session")
def stack(subject: Subject) -> Stack:
    """Return the stack with the subject in it."""
    start = HERE / "suite.cmd"
    probe = f"{PREFIX}INITIAL"
    under_test = ioc(st_cmd=start, env=environment(PREFIX), needs=("device",), probe_pv=probe, devices={"device": "${device.device}"})
    linked = ioc(name="linked", st_cmd=start, env=environment(OTHER, PREFIX), needs=("device",), peers=("ioc",), probe_pv=f"{OTHER}INITIAL")
    return subject.stack(Stack(device(), under_test, linked))


@pytest.fixture(autouse=True)
def _one_at_a_time(run: Any) -> Iterator[None]:
    """Give IOC and device to one test at a time, where workers share them: tests restart the one and silence the other."""
    with (Path(run.folder) / "one-at-a-time").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(params=["ca", "pva"])
def pv(request: pytest.FixtureRequest, run: Any) -> Any:
    """Return PVs of the IOC under test by their names without prefix, over each protocol."""

    def handle(name: str) -> PvHandle:
        found: PvHandle = run["ioc"].pv(f"{PREFIX}{name}", request.param)
        return found

    return handle
