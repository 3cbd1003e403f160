"""Port allocation: ports and loopback addresses held against every other program until a service takes them.

Source: docs/reference/contracts/kit.md, "Ports without races".
"""

import errno
import os
import socket
from contextlib import ExitStack
from dataclasses import dataclass

from testbeam.errors import PortTaken
from testbeam.kit import host
from testbeam.kit.spec import Transport

LOOPBACK = "127.0.0.1"
_TRIES = 1000


_KINDS = {"tcp": (socket.SOCK_STREAM,), "udp": (socket.SOCK_DGRAM,), "both": (socket.SOCK_STREAM, socket.SOCK_DGRAM)}
_WORDS = {socket.SOCK_STREAM: "TCP", socket.SOCK_DGRAM: "UDP"}


@dataclass(eq=False, slots=True)
class HeldPort:
    """A bound, non-listening socket: a child with SO_REUSEADDR binds the same port and listens, a connect is refused until then."""

    address: str
    number: int
    _socket: socket.socket | None  # none for UDP

    def release(self) -> None:
        """Let go of the port."""
        if self._socket is not None:
            self._socket.close()


def hold(address: str = LOOPBACK, fixed: int | None = None, *, usual: int | None = None, transport: Transport = "tcp") -> HeldPort:
    """Hold a free port of an address, a fixed one, or the usual one where it is free; TCP is held, UDP only looked at.

    Raises:
        PortTaken: somebody else has the fixed port, or no port can be had.
    """
    wanted = [number for number in (fixed if fixed is not None else usual,) if number is not None]
    if fixed is None:
        wanted += [0] * (1 if transport == "tcp" else _TRIES)  # the kernel's choice is free for the first kind only
    for number in wanted:
        try:
            return _hold(address, number, transport)
        except _BindFailed as error:
            failed = error
    raise PortTaken(taken(address, failed.number, failed.cause, failed.kind))


def is_refused(address: str, number: int) -> bool:
    """Tell whether a UDP port can't be bound now; one that is bound already with SO_REUSEADDR can be shared."""
    try:
        _hold(address, number, "udp").release()
    except _BindFailed:
        return True
    return False


class _BindFailed(Exception):
    def __init__(self, number: int, kind: socket.SocketKind, cause: OSError) -> None:
        super().__init__(cause)
        self.number, self.kind, self.cause = number, kind, cause


def _hold(address: str, number: int, transport: Transport) -> HeldPort:
    with ExitStack() as others:
        held: socket.socket | None = None
        for kind in _KINDS[transport]:
            one = others.enter_context(socket.socket(socket.AF_INET, kind))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind((address, number))  # the kernel gives no TCP port out twice while it is bound
            except OSError as error:
                raise _BindFailed(number, kind, error) from None
            number = one.getsockname()[1]
            held = held or one
        assert held is not None
        return HeldPort(address, number, held.dup() if transport != "udp" else None)


def taken(address: str, number: int, error: OSError, kind: socket.SocketKind = socket.SOCK_STREAM) -> str:
    """Say who holds a port, as far as this user may know, and the way out."""
    port = f"{_WORDS[kind]} port {number} of {address}"
    if error.errno != errno.EADDRINUSE:
        return f"{port} can't be had: {error.strerror}; choose another, or leave it out to get a free one"
    holder = host.holder_words(number, "udp" if kind == socket.SOCK_DGRAM else "tcp", address)
    return f"{port} is taken by {holder}; stop it, choose another, or leave it out to get a free one"


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
    like a bound port, gone with its owner, but out of the way of other users' programs that listen on every address.

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
