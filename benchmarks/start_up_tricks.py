"""Worth of each trick that saves start-up time, alone. One that saves less than a twentieth of the start it is about has to go.

With and without the trick alternate within one run, each start in a program of its own, and medians of wall time are compared. To be run
as an ordinary user, on a machine that does nothing else.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks.harness import Result, at_least

ROUNDS = 9
WORTH = 1.05

IMPORTS = "import testbeam.services.forwarder.service"
WITHOUT_ASYNCIO = f"from testbeam.runtime.lean_start import load_kafka_client; load_kafka_client(); {IMPORTS}"
P4P = "import p4p.client.raw"
WITHOUT_SETUPTOOLS = f"from testbeam.transport.pva.p4p_import import without_setuptools\nwith without_setuptools(): {P4P}"

GUARD = "import ctypes, errno, marshal, os, select, sys, time, _signal, _socket"
GUARD_WITH_MODULES_OF_PYTHON = "import ctypes, errno, json, os, select, sys, time, signal, socket"
IOC = "from testbeam import Stack, ioc\nwith Stack({}).run() as run: print(run.ready_s)"
BROKER = "from testbeam import Stack, broker\nwith Stack({}).run() as run: print(run.ready_s)"
BY_THE_LIBRARY = f"from dataclasses import replace\nfrom testbeam.stacks.roles.broker.probes import ClusterAnswers\n{BROKER}"


def run() -> list[Result]:
    """Compare the starts of a program, a guard, an IOC and a broker with and without a trick."""
    return [
        _worth("imports without asyncio", lambda: _wall_s(WITHOUT_ASYNCIO), lambda: _wall_s(IMPORTS)),
        _worth("p4p without setuptools", lambda: _wall_s(WITHOUT_SETUPTOOLS), lambda: _wall_s(P4P)),
        _worth("a guard on C modules", lambda: _wall_s(GUARD, "-I", "-S"), lambda: _wall_s(GUARD_WITH_MODULES_OF_PYTHON, "-I", "-S")),
        _worth(
            "iocInit without its sleep",
            lambda: _ready_s(IOC.format("ioc(skip_init_sleep=True)")),
            lambda: _ready_s(IOC.format("ioc()")),
        ),
        _worth(
            "a metadata probe of our own",
            lambda: _ready_s(BROKER.format("broker()")),
            lambda: _ready_s(BY_THE_LIBRARY.format("replace(broker(), ready=ClusterAnswers())")),
        ),
    ]


def _worth(name: str, with_it: Callable[[], float], without: Callable[[], float]) -> Result:
    pairs = [(with_it(), without()) for _ in range(ROUNDS)]
    with_s, without_s = (statistics.median(times) for times in zip(*pairs, strict=True))
    return at_least(name, value=with_s * 1e3, baseline=without_s * 1e3, target=WORTH, unit="ms")


def _wall_s(code: str, *options: str) -> float:
    started_s = time.perf_counter()
    subprocess.run([sys.executable, *options, "-c", code], check=True)
    return time.perf_counter() - started_s


def _ready_s(code: str) -> float:
    return float(subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True).stdout)
