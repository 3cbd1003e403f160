"""Cost of the kit: 8 empty services brought up by it, against 8 bare processes spawned and connected to."""

import socket
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, suppress

from benchmarks.harness import Result, at_most
from testbeam.kit.probes.listening import PortListens
from testbeam.kit.spec import Port, Service
from testbeam.kit.stack import Stack

SERVICES = 8
ROUNDS = 9
TARGET = 1.5

# An ordinary Python process that only listens: what every service of ours is at least.
_LISTEN = """
import socket, sys, time
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", int(sys.argv[1])))
server.listen()
time.sleep(1000)
"""


def by_the_kit() -> float:
    """Return the seconds until a stack of empty services is ready, its guard's start included."""
    command = ("${python}", "-c", _LISTEN, "${port.main}")
    names = [f"empty{number}" for number in range(SERVICES)]
    stack = Stack(*(Service(name, command=command, ports=(Port(name="main"),), ready=PortListens("main")) for name in names))
    started_s = time.perf_counter()
    with stack.run():
        return time.perf_counter() - started_s


def bare() -> float:
    """Return the seconds until as many bare processes are spawned and connected to."""
    with ExitStack() as owned:
        numbers = _free_ports()
        started_s = time.perf_counter()
        for number in numbers:
            process = owned.enter_context(subprocess.Popen([sys.executable, "-c", _LISTEN, str(number)]))
            owned.callback(process.kill)
        for number in numbers:
            _connect(number)
        return time.perf_counter() - started_s


def _free_ports() -> list[int]:
    with ExitStack() as owned:
        sockets = [owned.enter_context(socket.socket()) for _ in range(SERVICES)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _connect(number: int) -> None:
    deadline_s = time.monotonic() + 10
    while time.monotonic() < deadline_s:
        with suppress(OSError), socket.create_connection(("127.0.0.1", number), 0.5):
            return
        time.sleep(0.001)
    raise TimeoutError(f"nobody listens on port {number}")


def run() -> list[Result]:
    """Measure both in turn, so that the machine's other work hits both."""
    by_the_kit()  # the first one also imports
    pairs = [(by_the_kit(), bare()) for _ in range(ROUNDS)]
    kit_s, bare_s = (statistics.median(times) for times in zip(*pairs, strict=True))
    return [at_most("8 empty services up", value=kit_s * 1e3, baseline=bare_s * 1e3, target=TARGET, unit="ms")]
