"""Network of a machine, cut and restored where the test has a network of its own.

In it this process may change routes: a route to the machine's address that leads nowhere stands before that of the loopback network.
Source: rtnetlink(7); ip-route(8), "unreachable".
"""

import os
import socket
import struct

from testbeam.errors import StackError

_NEW, _DELETE = 24, 25  # RTM_NEWROUTE, RTM_DELROUTE
_REQUEST, _ACK, _CREATE, _REPLACE = 0x1, 0x4, 0x400, 0x100
_LOCAL_TABLE, _UNREACHABLE, _BOOT = 255, 7, 3
_DESTINATION = 1
_HEADER = struct.Struct("=IHHII")
_ROUTE = struct.Struct("=BBBBBBBBI")


class Network:
    """Cuts and restores; `private` tells whether the test runs in a network of its own."""

    def __init__(self, *, private: bool) -> None:
        self.private = private

    def block(self, address: str) -> None:
        """Let nothing reach an address.

        Raises:
            StackError: there is no network of the test's own, or the kernel refuses.
        """
        self._change(_NEW, _REQUEST | _ACK | _CREATE | _REPLACE, address)

    def unblock(self, address: str) -> None:
        """Let everything reach it again."""
        self._change(_DELETE, _REQUEST | _ACK, address)

    def _change(self, what: int, flags: int, address: str) -> None:
        if not self.private:
            raise StackError(
                "a network can only be cut where the test has one of its own: write  private = true  into the check's TOML file; the "
                "kernel must allow unprivileged user namespaces (testbeam doctor says whether it does)"
            )
        route = _ROUTE.pack(socket.AF_INET, 32, 0, 0, _LOCAL_TABLE, _BOOT, 0, _UNREACHABLE, 0)
        attribute = struct.pack("=HH4s", 8, _DESTINATION, socket.inet_aton(address))
        message = _HEADER.pack(_HEADER.size + len(route) + len(attribute), what, flags, 1, 0) + route + attribute
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
            netlink.bind((0, 0))
            netlink.send(message)
            answer = netlink.recv(4096)
        number = -struct.unpack_from("=i", answer, _HEADER.size)[0]
        if number:
            raise StackError(f"the route to {address} can't be changed: {os.strerror(number)}")
