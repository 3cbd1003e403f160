"""Speed of tests of an IOC: `testbeam bench ioc`.

The tutorial's whole check, from simulator to tear-down, warm, as `testbeam test` runs it; eight IOCs of one start-up file at once; puts
with readback over one simulated device, by one client that waits for each. Baselines are the targets: 3 s, 2.5 s, 400 a second.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.harness import Result, at_most
from testbeam.kit.probes.listening import PortListens
from testbeam.kit.spec import Port, Service
from testbeam.kit.stack import Stack
from testbeam.stacks.roles.ioc.declaration import IocHandle, ioc
from testbeam.transport.ca.client import CaClient

EXAMPLE = Path(__file__).parents[1] / "examples" / "ioc" / "power_supply"
ROUNDS, PUTS, IOCS = 3, 1500, 8
TUTORIAL_S, IOCS_S, PUT_S = 3.0, 2.5, 1 / 400


def tutorial_s() -> float:
    """Return the time of the tutorial's check as a command."""
    begin = time.monotonic()
    subprocess.run([sys.executable, "-m", "testbeam", "test", str(EXAMPLE / "checks")], check=True, capture_output=True)
    return time.monotonic() - begin


def device() -> Service:
    """Return the simulated power supply."""
    words = ("-m", "testbeam.simulators.devices", "--device", "power_supply", "--port", "${port.device}")
    ports = (Port(name="device"),)
    where = {"device": "127.0.0.1:${port.device}"}
    return Service("device", command=("${python}", *words), ports=ports, endpoints=where, ready=PortListens("device"))


def iocs_s() -> float:
    """Return the time until eight IOCs of the tutorial's start-up file answer over CA and PVA."""
    begin = time.monotonic()
    devices = {"localhost:9999": "${device.device}"}
    start = EXAMPLE / "iocBoot" / "iocExample" / "st.cmd"
    iocs = [ioc(name=f"ioc-{number}", st_cmd=start, devices=devices, needs=("device",), probe_pv="VOLT") for number in range(IOCS)]
    with Stack(device(), *iocs).run():
        return time.monotonic() - begin


def put_s() -> float:
    """Return the time of one put that is complete once the device has been set and read back."""
    devices = {"localhost:9999": "${device.device}"}
    start = EXAMPLE / "iocBoot" / "iocExample" / "st.cmd"
    with Stack(device(), ioc(st_cmd=start, devices=devices, needs=("device",), probe_pv="VOLT")).run() as run:
        handle = run["ioc"]
        assert isinstance(handle, IocHandle)
        address, _, port = handle.endpoints["ca"].rpartition(":")
        with CaClient(address, int(port)) as client:
            voltage, readback = client.channel("VOLT"), client.channel("VOLT-RB")
            begin = time.monotonic()
            for number in range(PUTS):
                voltage.put(float(number % 60))
            elapsed = time.monotonic() - begin
            assert readback.get().value == float((PUTS - 1) % 60)
    return elapsed / PUTS


def run() -> list[Result]:
    """Measure."""
    tutorial_s()  # warm
    return [
        at_most("tutorial's check", value=statistics.median(tutorial_s() for _ in range(ROUNDS)), baseline=TUTORIAL_S, target=1),
        at_most("8 IOCs up", value=statistics.median(iocs_s() for _ in range(ROUNDS)), baseline=IOCS_S, target=1),
        at_most("put with readback", value=statistics.median(put_s() for _ in range(ROUNDS)), baseline=PUT_S, target=1),
    ]
