"""Sockets of this process that EPICS' libraries bind to all addresses, kept on the loopback device.

PVA servers, PVA clients and CA clients bind their UDP sockets to the wildcard whatever the address lists say.
Source: socket(7) on SO_BINDTODEVICE, open to any user for a socket without a device since Linux 5.7.
"""

import ipaddress
import os
import socket
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress

_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 — looked for, not bound
_LONGEST_NAME = 16  # of a network device, in bytes with the closing zero
_ADDRESSES = ("EPICS_CA_ADDR_LIST", "EPICS_CA_NAME_SERVERS", "EPICS_PVA_ADDR_LIST", "EPICS_PVA_NAME_SERVERS")
_AUTOMATIC = ("EPICS_CA_AUTO_ADDR_LIST", "EPICS_PVA_AUTO_ADDR_LIST")


def leads_to_loopback_only(environment: Mapping[str, str]) -> bool:
    """Tell whether the EPICS variables name servers on loopback and no other, so that a client needs no other device."""
    if any(environment.get(name, "YES").upper() != "NO" for name in _AUTOMATIC):
        return False
    return all(_is_loopback(entry) for name in _ADDRESSES for entry in environment.get(name, "").split())


def _is_loopback(entry: str) -> bool:
    host = entry.rpartition(":")[0] if entry.count(":") == 1 else entry
    with suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return host == "localhost"


def keep_on_loopback() -> list[str]:
    """Tie every socket that is bound to all addresses and to no device yet to the loopback device; return those where the kernel refused.

    PVA servers and CA clients bind their UDP sockets to the wildcard whatever the address lists say.
    """
    refused: list[str] = []
    if sys.platform != "linux":
        return refused
    for sock in own_sockets():
        name = sock.getsockname()
        if name[0] in _WILDCARDS and not sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, _LONGEST_NAME).rstrip(b"\0"):
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
