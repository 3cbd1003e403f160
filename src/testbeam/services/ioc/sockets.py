"""Ports of this process: whether it holds those it was meant to."""

import socket
from collections.abc import Iterable
from contextlib import suppress

from testbeam.errors import PortTaken, SettingsError
from testbeam.transport.loopback import own_sockets


def check_loopback(option: str, address: str) -> None:
    """Accept 127.x.y.z only.

    Raises:
        SettingsError: it is another address or none at all.
    """
    with suppress(OSError):
        if socket.inet_aton(address)[0] == 127 and address.count(".") == 3:
            return
    raise SettingsError(option, address, "a loopback address such as 127.0.5.3")


def check_free(address: str, tcp: Iterable[int], udp: Iterable[int] = ()) -> None:
    """Find out before the slow start that these ports at `address` can be had.

    Raises:
        PortTaken: somebody does. EPICS would take another port in silence, and no client would look there.
    """
    for kind, word, ports in ((socket.SOCK_STREAM, "TCP", tcp), (socket.SOCK_DGRAM, "UDP", udp)):
        for port in ports:
            with socket.socket(socket.AF_INET, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # left-overs in TIME_WAIT are no obstacle
                try:
                    probe.bind((address, port))
                except OSError as error:
                    raise _taken(address, port, word) from error


def check_held(address: str, ports: Iterable[int]) -> None:
    """Find out after the start that this process listens on these TCP ports at `address`.

    Raises:
        PortTaken: it does not: somebody was faster between the first check and the start.
    """
    listening = {s.getsockname()[:2] for s in own_sockets() if _listens(s)}
    for port in ports:
        if (address, port) not in listening:
            raise _taken(address, port, "TCP")


def _listens(sock: socket.socket) -> bool:
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _taken(address: str, port: int, word: str) -> PortTaken:
    return PortTaken(
        f"{word} port {port} at {address} is held by another process, there or on every address "
        f"(see who: ss -l{word[0].lower()}np 'sport = :{port}'); "
        "stop it, or give this IOC other ports (--ca-port, --pva-port) or another address"
    )
