"""Whether this process holds the ports it was meant to, and how its other sockets are kept on loopback.

Source: Linux proc(5) on /proc/net/tcp; socket(7) on SO_BINDTODEVICE, open to any user for an unbound socket since Linux 5.7.
"""

import os
import socket
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress

from testbeam.errors import PortTaken, SettingsError

_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 — looked for, not bound


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


def keep_on_loopback() -> list[str]:
    """Tie every socket that is bound to all addresses to the loopback device; return those where the kernel refused.

    PVA servers and CA clients bind their UDP sockets to the wildcard whatever the address lists say.
    """
    refused = []
    for sock in own_sockets():
        name = sock.getsockname()
        if name[0] in _WILDCARDS:
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
            except OSError as error:
                refused.append(f"{name[0]}:{name[1]} ({error.strerror})")
    return refused


def own_sockets() -> Iterator[socket.socket]:
    """Yield a duplicate of each internet socket of this process; each is closed when the next is asked for."""
    for fd in os.listdir("/proc/self/fd"):  # noqa: PTH208 — numbers, not paths
        with suppress(OSError):
            if not stat.S_ISSOCK(os.fstat(int(fd)).st_mode):
                continue  # a socket object that can't be made of it would leave the duplicate open
            with socket.socket(fileno=os.dup(int(fd))) as sock:
                if sock.family in (socket.AF_INET, socket.AF_INET6):
                    yield sock


def _listens(sock: socket.socket) -> bool:
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _taken(address: str, port: int, word: str) -> PortTaken:
    return PortTaken(
        f"{word} port {port} at {address} is held by another process, there or on every address "
        f"(see who: ss -l{word[0].lower()}np 'sport = :{port}'); "
        "stop it, or give this IOC other ports (--ca-port, --pva-port) or another address"
    )
