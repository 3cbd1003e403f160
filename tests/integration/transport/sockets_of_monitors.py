"""Program that watches one PV and prints each of its sockets that other machines could reach, in a process that holds nothing else.

Usage: python sockets_of_monitors.py CA|PVA|CA-WATCH|PVA-WATCH PV
"""

import socket
import sys
import time
from collections.abc import Callable

from testbeam.model.forwarding import Protocol
from testbeam.transport.ca.watch import CaWatch
from testbeam.transport.loopback import own_sockets
from testbeam.transport.monitors.opening import open_monitors
from testbeam.transport.pva.watch import PvaWatch

WITHIN_S = 15.0


def main(kind: str, pv: str) -> None:
    is_connected, close = watch(kind, pv) if kind.endswith("-WATCH") else monitor(kind, pv)
    end_s = time.monotonic() + WITHIN_S
    while not is_connected():
        if time.monotonic() > end_s:
            sys.exit(f"{pv} has no value within {WITHIN_S:g} s")
        time.sleep(0.01)
    print("connected")
    for sock in own_sockets():
        if facing := facing_others(sock):
            print(facing)
    close()


def monitor(kind: str, pv: str) -> tuple[Callable[[], bool], Callable[[], None]]:
    monitors = open_monitors(Protocol[kind], fake_period_ms=20)
    monitors.subscribe(1, pv)
    return lambda: bool(monitors.drain().values), monitors.close


def watch(kind: str, pv: str) -> tuple[Callable[[], bool], Callable[[], None]]:
    watch = PvaWatch() if kind.startswith("PVA") else CaWatch()
    watch.watch(pv)
    return lambda: watch.snapshot(pv).reading is not None, watch.close


def facing_others(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    device = sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0")
    is_safe = device == b"lo" or host.startswith("127.") or host == "::1" or not port
    return "" if is_safe else f"{host}:{port} {sock.type.name}"


if __name__ == "__main__":
    main(*sys.argv[1:])
