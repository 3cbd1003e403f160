"""Program that watches one PV and prints each of its sockets that other machines can reach for long, in a process that holds nothing else.

A socket that a thread of libca has just made is tied at one of the next looks.
Usage: python sockets_of_monitors.py CA|PVA|CA-WATCH|PVA-WATCH PV
"""

import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address

from testbeam.clients.waiting import wait_for_condition
from testbeam.model.deadline import Deadline
from testbeam.model.forwarding import Protocol
from testbeam.transport.ca.watch import CaWatch
from testbeam.transport.loopback import own_sockets
from testbeam.transport.monitors.opening import open_monitors
from testbeam.transport.pva.watch import PvaWatch

WITHIN_S = 60.0
DNS_PORT = 53


def main(kind: str, pv: str) -> None:
    is_connected, close = watch(kind, pv) if kind.endswith("-WATCH") else monitor(kind, pv)
    wait_for_condition(is_connected, within_s=WITHIN_S, what=f"a value of {pv}")
    print("connected")
    deadline = Deadline(WITHIN_S)
    while facing() and not deadline.passed:
        is_connected()  # looks at the sockets, too
        time.sleep(0.02)
    for words in facing():
        print(words)
    close()


def facing() -> list[str]:
    return [words for sock in own_sockets() if (words := facing_others(sock))]


def monitor(kind: str, pv: str) -> tuple[Callable[[], bool], Callable[[], None]]:
    monitors = open_monitors(Protocol[kind], fake_period_ms=20)
    monitors.subscribe(1, pv)
    return lambda: bool(monitors.drain().values), monitors.close


def watch(kind: str, pv: str) -> tuple[Callable[[], bool], Callable[[], None]]:
    watch = PvaWatch() if kind.startswith("PVA") else CaWatch()
    watch.watch(pv)
    return lambda: watch.snapshot(pv).reading is not None, watch.close


def facing_others(sock: socket.socket) -> str:
    """Return where a socket can be reached from outside, or "" for one that is on loopback."""
    if sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0") == b"lo":
        return ""
    address, port = sock.getsockname()[:2]
    host = ip_address(address.removeprefix("::ffff:"))
    unbound = port == 0 and sock.type == socket.SOCK_DGRAM  # it sends nothing and hears nothing yet
    if host.is_loopback or unbound or asks_for_a_name(sock):
        return ""
    return f"{'UDP' if sock.type == socket.SOCK_DGRAM else 'TCP'} {address}:{port}"


def asks_for_a_name(sock: socket.socket) -> bool:
    """Tell whether this is the system's resolver at work: libca asks for the name of each server, and hears only the name server."""
    with suppress(OSError):
        return bool(sock.getpeername()[1] == DNS_PORT)
    return False


if __name__ == "__main__":
    main(*sys.argv[1:])
