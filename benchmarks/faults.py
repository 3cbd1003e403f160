"""Cost of a link that could be broken and is not: round trips and a stream through a run's proxy, against the same directly.

The service is a process of its own, as is the proxy; both ways take turns, and medians are compared. For round trips all three
processes share one core: on several the time depends on which of them sleeps, in a virtual machine by a factor of ten.
"""

import os
import socket
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness import Result, at_most
from testbeam.kit.probes.listening import PortListens
from testbeam.kit.run import Run
from testbeam.kit.spec import Port, Service
from testbeam.kit.stack import Stack

ROUNDS = 9
TRIPS = 1000
STREAM_BYTES = 256 << 20
_PIECE = bytes(1 << 18)

# Sends back single bytes; takes a stream whose length comes first, and says when it has it.
_SERVE = """
import socket, sys, threading
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((sys.argv[1], int(sys.argv[2])))
server.listen()
buffer = bytearray(1 << 18)
def serve(client):
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while size := client.recv(8, socket.MSG_WAITALL):
        left = int.from_bytes(size, "little")
        while left > 0:
            left -= client.recv_into(buffer)
        client.sendall(b"!")
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""


class Cost(NamedTuple):
    """What one measurement took: time, and processor time of everybody."""

    wall_s: float
    cpu_s: float


def service() -> Service:
    """Return the service, reached directly at `tcp` and through the proxy at `proxied`."""
    return Service(
        "server",
        command=("${python}", "-c", _SERVE, "${address}", "${port.main}"),
        ports=(Port(name="main"), Port(name="front", forwards_to="main")),
        endpoints={"tcp": "${address}:${port.main}", "proxied": "${address}:${port.front}"},
        ready=PortListens("main"),
    )


def connected(run: Run, endpoint: str) -> socket.socket:
    """Return a connection to the service."""
    host, _, number = run["server"].endpoints[endpoint].rpartition(":")
    one = socket.create_connection((host, int(number)), 30)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return one


def round_trips(one: socket.socket) -> float:
    """Return the median time of an empty question and its answer, in s."""
    times = []
    for _ in range(TRIPS):
        started_s = time.perf_counter()
        one.sendall(bytes(8))
        one.recv(1)
        times.append(time.perf_counter() - started_s)
    return statistics.median(times)


def stream(one: socket.socket) -> float:
    """Return how long a stream takes until the service has all of it, in s."""
    started_s = time.perf_counter()
    one.sendall(STREAM_BYTES.to_bytes(8, "little"))
    for _ in range(STREAM_BYTES // len(_PIECE)):
        one.sendall(_PIECE)
    one.recv(1)
    return time.perf_counter() - started_s


def cpu_s(pids: Iterable[int]) -> float:
    """Return the processor time that these processes have used, to the ns where the kernel keeps it so."""
    tasks = [task for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


@contextmanager
def one_core(pids: Iterable[int]) -> Iterator[None]:
    """Keep all threads of these processes on one core."""
    cores = os.sched_getaffinity(0)
    tasks = [int(task.name) for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()]
    _pin(tasks, {min(cores)})
    try:
        yield
    finally:
        _pin(tasks, cores)


def _pin(tasks: Iterable[int], cores: set[int]) -> None:
    for task in tasks:
        with suppress(ProcessLookupError):  # a thread that has ended
            os.sched_setaffinity(task, cores)


def everybody(run: Run) -> list[int]:
    """Return the pids of service, proxy and this process."""
    return [pid for pid in (run["server"].pid, run.links.pid, os.getpid()) if pid is not None]


def both(
    run: Run, measure: Callable[[socket.socket], float], where: Callable[[list[int]], AbstractContextManager[None]]
) -> tuple[Cost, Cost]:
    """Return the medians through the proxy and directly."""
    pids = everybody(run)
    with connected(run, "tcp") as direct, connected(run, "proxied") as proxied:
        for one in (direct, proxied):
            measure(one)  # so that all threads are there
        with where(pids):
            pairs = [(cost(proxied, measure, pids), cost(direct, measure, pids)) for _ in range(ROUNDS)]
    through, straight = (Cost(*map(statistics.median, zip(*costs, strict=True))) for costs in zip(*pairs, strict=True))
    return through, straight


def cost(one: socket.socket, measure: Callable[[socket.socket], float], pids: list[int]) -> Cost:
    """Return what one measurement took."""
    before_s = cpu_s(pids)
    wall_s = measure(one)
    return Cost(wall_s, cpu_s(pids) - before_s)


def run() -> list[Result]:
    """Compare a clear link with none."""
    with Stack(service()).run() as running:
        trip, bare_trip = both(running, round_trips, one_core)
        carried, bare = both(running, stream, lambda _: nullcontext())
    print(f"stream: {STREAM_BYTES / 1e6 / carried.wall_s:.0f} MB/s through the proxy, {STREAM_BYTES / 1e6 / bare.wall_s:.0f} MB/s directly")
    return [
        at_most("clear link: round trip", value=trip.wall_s * 1e6, baseline=bare_trip.wall_s * 1e6, target=3.5, unit="µs"),
        at_most("clear link: time of 268 MB", value=carried.wall_s, baseline=bare.wall_s, target=3.0, unit="s"),
        at_most("clear link: CPU of 268 MB", value=carried.cpu_s, baseline=bare.cpu_s, target=3.5, unit="s"),
    ]
