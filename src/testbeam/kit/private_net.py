"""Private network of a command, without root: in it every loopback port and address is free, and nobody outside is reached.

A user and a network namespace (user_namespaces(7), network_namespaces(7)); some kernels, distributions and containers forbid them.
"""

import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path

from testbeam.errors import StackError

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_INTERFACE = struct.Struct("16sH14s")  # struct ifreq with its flags


def enter() -> None:
    """Move this process, which must have one thread, into a network of its own with loopback up.

    Raises:
        StackError: the kernel does not allow it; says what would.
    """
    uid, gid = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        raise _refused(os.strerror(ctypes.get_errno()))
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
        _bring_up_loopback()
    except OSError as error:
        raise _refused(error.strerror or str(error)) from error


def is_allowed() -> bool:
    """Tell whether this machine allows it, tried out in a child."""
    child = os.fork()
    if child == 0:
        try:
            enter()
        except BaseException:  # the child must never return into the caller's code
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def _bring_up_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        name, flags, rest = _INTERFACE.unpack(fcntl.ioctl(sock, _SIOCGIFFLAGS, _INTERFACE.pack(b"lo", 0, b"")))
        fcntl.ioctl(sock, _SIOCSIFFLAGS, _INTERFACE.pack(name, flags | _IFF_UP, rest))


def _refused(why: str) -> StackError:
    return StackError(
        f"no private network: {why}. The kernel, distribution or container forbids unprivileged user namespaces "
        "(sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns); "
        "do without: held ports and leased 127.x.y.z addresses keep stacks apart all the same"
    )
