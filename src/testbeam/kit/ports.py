"""How ports and loopback addresses are kept from everybody else on the machine until a service takes them.

Source: docs/reference/contracts/kit.md, "Ports without races".
"""

import errno
import os
import socket
from dataclasses import dataclass

from testbeam.errors import PortTaken

LOOPBACK = "127.0.0.1"
_TRIES = 1000


@dataclass(eq=False, slots=True)
class HeldPort:
    """A bound, non-listening socket: a child with SO_REUSEADDR binds the same port and listens, a connect is refused until then."""

    address: str
    number: int
    _socket: socket.socket

    def release(self) -> None:
        """Let go of the port."""
        self._socket.close()


def hold(address: str = LOOPBACK, fixed: int | None = None) -> HeldPort:
    """Hold a free port of an address, or a fixed one.

    Raises:
        PortTaken: somebody else listens on the fixed port, or it can't be had.
    """
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind((address, fixed or 0))  # the kernel gives no port out twice while it is bound
    except OSError as error:
        held.close()
        raise PortTaken(taken(address, fixed or 0, error)) from None
    return HeldPort(address, held.getsockname()[1], held)


def taken(address: str, number: int, error: OSError) -> str:
    """Say who holds a port, as far as this user may know, and the way out."""
    if error.errno != errno.EADDRINUSE:
        return f"port {number} of {address} can't be had: {error.strerror}; choose another, or leave it out to get a free one"
    return f"port {number} of {address} is taken by {holder(number)}; stop it, choose another, or leave it out to get a free one"


def holder(number: int) -> str:
    """Return which process listens on a port, in words."""
    try:
        import psutil  # late: only an error needs it
    except ImportError:
        return "another process"
    try:
        pids = [
            one.pid for one in psutil.net_connections("tcp") if one.laddr and one.laddr.port == number and one.status == psutil.CONN_LISTEN
        ]
        return ", ".join(f"pid {pid} ({' '.join(psutil.Process(pid).cmdline()[:3])})" for pid in pids if pid) or "another user's process"
    except (psutil.Error, OSError):
        return "another user's process"


@dataclass(eq=False, slots=True)
class Lease:
    """A loopback address that no other run on this machine has, for as long as its owner lives."""

    address: str
    _socket: socket.socket

    def release(self) -> None:
        """Give the address back."""
        self._socket.close()


def lease() -> Lease:
    """Lease a private address of 127.64.0.0/10.

    The lease is a socket bound to a name of the kernel's abstract name space, made of the address: exclusive across users
    like a bound port, gone with its owner, but out of the way of strangers who listen on every address.

    Raises:
        PortTaken: none of a thousand addresses was free.
    """
    for _ in range(_TRIES):
        second, third, fourth = os.urandom(3)  # random, so that two runs seldom ask for the same
        address = f"127.{64 + second % 64}.{third}.{1 + fourth % 254}"
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0testbeam-lease-{address}")
            return Lease(address, claim)
        except OSError as error:
            claim.close()
            if error.errno != errno.EADDRINUSE:
                raise PortTaken(
                    f"address {address} can't be leased: {error.strerror}; is the descriptor limit (ulimit -n) used up?"
                ) from None
    raise PortTaken(f"none of {_TRIES} addresses in 127.64.0.0/10 is free; stop other runs")
