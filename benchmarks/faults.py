"""What does a link cost that could be broken and is not? Round trips and a stream through a run's proxy, against the same directly.

The service is a process of its own, as is the proxy; both ways take turns, and medians are compared.
"""

import socket
import statistics
import time
from collections.abc import Callable

from benchmarks.harness import Result, at_most
from testbeam.kit.probes.listening import PortListens
from testbeam.kit.run import Run
from testbeam.kit.spec import Port, Service, Stack

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


def round_trip_us(one: socket.socket) -> float:
    """Return the median time of an empty question and its answer."""
    times = []
    for _ in range(TRIPS):
        started_s = time.perf_counter()
        one.sendall(bytes(8))
        one.recv(1)
        times.append(time.perf_counter() - started_s)
    return statistics.median(times) * 1e6


def stream_s(one: socket.socket) -> float:
    """Return how long a stream takes until the service has all of it."""
    started_s = time.perf_counter()
    one.sendall(STREAM_BYTES.to_bytes(8, "little"))
    for _ in range(STREAM_BYTES // len(_PIECE)):
        one.sendall(_PIECE)
    one.recv(1)
    return time.perf_counter() - started_s


def both(direct: socket.socket, proxied: socket.socket, measure: Callable[[socket.socket], float]) -> tuple[float, float]:
    """Return the medians through the proxy and directly."""
    pairs = [(measure(proxied), measure(direct)) for _ in range(ROUNDS)]
    through, straight = (statistics.median(values) for values in zip(*pairs, strict=True))
    return through, straight


def run() -> list[Result]:
    """Compare a clear link with none."""
    with Stack(service()).run() as running, connected(running, "tcp") as direct, connected(running, "proxied") as proxied:
        trip_us, bare_us = both(direct, proxied, round_trip_us)
        through_s, straight_s = both(direct, proxied, stream_s)
    print(f"through the proxy: {trip_us - bare_us:.1f} µs more, {STREAM_BYTES / 1e6 / through_s:.0f} of {STREAM_BYTES / 1e6 / straight_s:.0f} MB/s")
    return [
        at_most("link without faults, round trip", value=trip_us, baseline=bare_us, target=3.0, unit="µs"),
        at_most("link without faults, stream", value=through_s, baseline=straight_s, target=4.0, unit="s"),
    ]
