"""The machine as errors and `testbeam doctor` tell of it: which process holds a port, TCP or UDP, and what is free on a disk.

Read from /proc, without rights and without a library; of another user's process only the user is known.
"""

import errno
import os
import pwd
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Literal

Protocol = Literal["tcp", "udp"]

LEAST_BYTES = 1 << 20
"""Below so much room a run can't write its journal and logs, and a disk counts as full."""

_LISTENS = {"tcp": "0A", "udp": "07"}
_WORD = 8  # hexadecimal digits of 32 bits, in the machine's order
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True, kw_only=True)
class PortHolder:
    """A socket that listens on a port (TCP), or is bound to it (UDP); pid None where the process is another user's."""

    protocol: Protocol
    address: str
    port: int
    uid: int
    pid: int | None = None
    command: str = ""

    @property
    def is_everywhere(self) -> bool:
        """Tell whether it holds the port on every address."""
        return self.address in ("0.0.0.0", "::")  # noqa: S104 - what somebody else has done

    def __str__(self) -> str:
        who = f"a process of user {_user(self.uid)}" if self.pid is None else f"pid {self.pid} ({self.command})"
        return f"{who} at {'*' if self.is_everywhere else self.address}:{self.port}/{self.protocol}"


def port_holders(port: int, protocol: Protocol, address: str = "") -> tuple[PortHolder, ...]:
    """Return what holds a port, in the way of who wants it on `address`; without one, on any."""
    sockets = [one for one in _sockets(protocol) if one[1] == port and (not address or _is_in_the_way(one[0], address))]
    owners = _owners({inode for _, _, _, inode in sockets}) if sockets else {}
    return tuple(
        PortHolder(protocol=protocol, address=where, port=port, uid=uid, pid=owners.get(inode), command=_command(owners.get(inode)))
        for where, _, uid, inode in sockets
    )


def listening(pids: Iterable[int]) -> tuple[str, ...]:
    """Return where these processes listen for connections, `address:port` each."""
    held = {inode for pid in pids for inode in _sockets_of(pid)}
    return tuple(dict.fromkeys(f"{address}:{port}" for address, port, _, inode in _sockets("tcp") if inode in held))


def holder_words(port: int, protocol: Protocol, address: str = "") -> str:
    """Return what holds a port in words; "another process" where the kernel shows none."""
    return ", ".join(dict.fromkeys(map(str, port_holders(port, protocol, address)))) or "another process"


def free_bytes(path: Path) -> int:
    """Return how much this user may still write where a path is, or would be."""
    for folder in (path, *path.absolute().parents):
        with suppress(OSError):
            found = os.statvfs(folder)
            return found.f_bavail * found.f_frsize
    return 0


def no_room(path: Path) -> str:
    """Return that a disk is full, and which, in words; empty where there is room."""
    free = free_bytes(path)
    return "" if free >= LEAST_BYTES else f"no room left in {path} ({size(free)} free)"


def why(error: OSError, path: Path | str | None = None) -> str:
    """Return the cause of an error of the operating system in words, with what is free where that is the cause."""
    where = Path(os.fsdecode(path or error.filename or "."))
    if error.errno in _FULL:
        return no_room(where) or f"no room left for {where} ({size(free_bytes(where))} free, or a quota is used up)"
    if error.errno == errno.EROFS:
        return f"{where} is on a read-only file system"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "no file descriptor is left; raise the limit: ulimit -n 4096"
    return f"{where}: {error.strerror or error}" if path or error.filename else str(error.strerror or error)


def size(count: int) -> str:
    """Return a number of bytes as a person reads it."""
    if count < 1_000:
        return f"{count} B"
    unit, name = next(((unit, name) for unit, name in ((1e9, "GB"), (1e6, "MB")) if count >= unit), (1e3, "kB"))
    return f"{count / unit:.1f} {name}"


def _sockets(protocol: Protocol) -> Iterator[tuple[str, int, int, str]]:
    """Yield address, port, user and inode of the sockets that wait for clients."""
    for table in (protocol, f"{protocol}6"):
        with suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == _LISTENS[protocol]:
                    address, _, port = words[1].partition(":")
                    yield _address(address), int(port, 16), int(words[7]), words[9]


def _address(digits: str) -> str:
    words = [int.from_bytes(bytes.fromhex(digits[at : at + _WORD]), "little") for at in range(0, len(digits), _WORD)]
    packed = b"".join(word.to_bytes(4, "big") for word in words)
    if len(packed) == 4:
        return str(IPv4Address(packed))
    six = IPv6Address(packed)
    return str(six.ipv4_mapped or six)


def _is_in_the_way(held: str, wanted: str) -> bool:
    return held == wanted or held in ("0.0.0.0", "::") or wanted in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


def _owners(inodes: set[str]) -> dict[str, int]:
    """Return the process of each socket, as far as this user may look."""
    found: dict[str, int] = {}
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):  # noqa: PTH208 - hundreds, for an error that waits
        for inode in inodes.intersection(_sockets_of(pid)):
            found.setdefault(inode, pid)
    return found


def _sockets_of(pid: int) -> Iterator[str]:
    """Yield the inode of each socket that a process has open; none of another user's."""
    with suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
            with suppress(OSError):
                kind, _, inode = os.readlink(f"/proc/{pid}/fd/{fd}").partition(":[")  # noqa: PTH115
                if kind == "socket":
                    yield inode.rstrip("]")


def _command(pid: int | None) -> str:
    if pid is None:
        return ""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        return " ".join(word.decode(errors="replace") for word in words[:3])
    return "?"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
