"""Addresses that the PVA server of EPICS base binds, led to the one that the IOC has.

It knows addresses of network interfaces only, so that 127.8.8.8 is none to it, and on all of them it faces other machines. For each of
its sockets the entry of libpvAccess' procedure linkage table for `bind` leads here.
Source: serverContext.cpp and blockingTCPAcceptor.cpp of pvAccessCPP 7.1.
"""

import ctypes
import socket
import struct
from typing import Any

from testbeam.services.ioc import procedure_linkage

_HEAD = struct.Struct("=H2s4s")  # sockaddr_in: family, port, address
_BIND = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, use_errno=True)
_ANY, _LOOPBACK = bytes(4), socket.inet_aton("127.0.0.1")

_kept: list[Any] = []  # the callback that C code has a bare pointer to, until the process ends


def lead(library: ctypes.CDLL, address: str) -> bool:
    """Have every socket that libpvAccess binds from now on bound at `address` or on the loopback device; tell whether it could."""
    slot = procedure_linkage.slot(library, b"bind")
    if slot is None:
        return False
    genuine, own = _BIND(("bind", ctypes.CDLL(None, use_errno=True))), socket.inet_aton(address)

    def bind(fd: int, where: int, size: int) -> int:
        with socket.socket(fileno=socket.dup(fd)) as sock:
            moved = led(ctypes.string_at(where, size), own, is_stream=sock.type == socket.SOCK_STREAM)
            if sock.type == socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # who leases the port holds it until it is listened at
            elif sock.family == socket.AF_INET:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
        return int(genuine(fd, ctypes.cast(ctypes.create_string_buffer(moved, size), ctypes.c_void_p), size))

    callback = _BIND(bind)
    _kept.append(callback)
    slot.value = ctypes.cast(callback, ctypes.c_void_p).value or slot.value
    return True


def led(where: bytes, own: bytes, *, is_stream: bool) -> bytes:
    """Return the address, as C has it, that takes the place of `where`."""
    if len(where) < _HEAD.size or _HEAD.unpack_from(where)[0] != socket.AF_INET:
        return where
    family, port, host = _HEAD.unpack_from(where)
    is_foreign = host[0] != _LOOPBACK[0] and host != _ANY
    return _HEAD.pack(family, port, own if is_stream else _LOOPBACK if is_foreign else host) + where[_HEAD.size :]
