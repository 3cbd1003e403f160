"""Connections to devices: TCP, UDP, and serial lines, which may also be pseudo-terminals.

Source: docs/reference/contracts/ioc.md, "Start-up files"; asyn's names of ports.
"""

import errno
import os
import re
import select
import socket
import termios
import tty
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from testbeam.errors import ConversionError

_SPEC = re.compile(r"\s*(?P<host>\[[^\]]*\]|[^:\s]+):(?P<port>\d+)(?::(?P<local>\d+))?\s*(?P<kind>\S*)\s*", re.IGNORECASE)
_KINDS = {"": "tcp", "tcp": "tcp", "com": "tcp", "http": "tcp", "tcp&": "tcp", "udp": "udp", "udp*": "udp", "udp&": "udp"}
_LOCAL = ("localhost", "127.0.0.1", "::1")
CHUNK = 65_536
_BAUD = {str(rate): getattr(termios, f"B{rate}") for rate in (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400)}


class Connection(Protocol):
    """A way to a device, opened and closed many times."""

    @property
    def target(self) -> str:
        """Return what it leads to, for messages."""

    def open(self, timeout_s: float) -> int:
        """Connect; return the file descriptor, which does not block.

        Raises:
            OSError: it can't be reached in time.
        """

    def close(self) -> None:
        """Disconnect, if connected."""


@dataclass(slots=True, kw_only=True)
class Internet:
    """A TCP or UDP connection."""

    host: str
    port: int
    local_port: int = 0
    datagrams: bool = False
    allowed: bool = True  # to be reached; a test talks to no device of a site unless it is told to
    _socket: socket.socket | None = None

    @property
    def target(self) -> str:
        """Return host and port."""
        return f"{self.host}:{self.port}"

    def open(self, timeout_s: float) -> int:
        """Connect."""
        self.close()
        if not self.allowed:
            raise PermissionError(
                errno.EPERM, f"it is no simulator on this computer; give --device {self.target}=localhost:PORT, or --real-devices"
            )
        kind = socket.SOCK_DGRAM if self.datagrams else socket.SOCK_STREAM
        made = socket.socket(socket.AF_INET, kind)
        try:
            if self.local_port:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                made.bind(("", self.local_port))
            made.settimeout(timeout_s)
            made.connect((self.host, self.port))
            if not self.datagrams:
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.setblocking(False)
        except BaseException:
            made.close()
            raise
        self._socket = made
        return made.fileno()

    def close(self) -> None:
        """Disconnect."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@dataclass(slots=True, kw_only=True)
class Serial:
    """A serial line."""

    path: str
    allowed: bool = True
    options: dict[str, str] = field(default_factory=dict)
    _fd: int | None = None

    @property
    def target(self) -> str:
        """Return the path."""
        return self.path

    def open(self, timeout_s: float) -> int:  # noqa: ARG002 — a line is there or is not
        """Open the line with raw bytes at the speed that its options say."""
        self.close()
        if not self.allowed and not os.path.realpath(self.path).startswith("/dev/pts/"):
            raise PermissionError(errno.EPERM, f"it is no pseudo-terminal; give --device {self.path}=localhost:PORT, or --real-devices")
        fd = os.open(self.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            tty.setraw(fd)
            self._set_speed(fd)
        except (OSError, termios.error) as error:
            os.close(fd)
            raise OSError(errno.ENOTTY, f"not a serial line ({error})") from error
        self._fd = fd
        return fd

    def _set_speed(self, fd: int) -> None:
        speed = _BAUD.get(self.options.get("baud", ""))
        if speed is not None:
            settings = termios.tcgetattr(fd)
            settings[4] = settings[5] = speed
            termios.tcsetattr(fd, termios.TCSANOW, settings)

    def close(self) -> None:
        """Close the line."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """What a port may lead to.

    local_host: what `localhost` means here. replaced: targets that stand for others, `host:port` or a line → `host:port` or a line.
    real: whether other computers and lines of this one may be reached. hosts: names of computers → addresses.
    """

    local_host: str
    replaced: Mapping[str, str]
    real: bool = False
    hosts: Mapping[str, str] = field(default_factory=dict)


def internet(spec: str, around: Neighbourhood) -> Connection:
    """Return the connection of `host:port[:localport] [TCP|UDP|…]`.

    Raises:
        ConversionError: it is no such text.
    """
    match = _SPEC.fullmatch(spec)
    kind = _KINDS.get(match["kind"].lower()) if match else None
    if match is None or kind is None:
        raise ConversionError(f"{spec!r} is not host:port[:localport] [TCP|UDP|UDP*|HTTP|COM]")
    other = around.replaced.get(f"{match['host']}:{match['port']}")
    if other is not None:
        return replacement(other, around)
    host = around.local_host if match["host"].lower() in _LOCAL else around.hosts.get(match["host"], match["host"])
    allowed = around.real or host.startswith("127.")
    port, local_port = int(match["port"]), int(match["local"] or 0)
    return Internet(host=host, port=port, local_port=local_port, datagrams=kind == "udp", allowed=allowed)


def serial(path: str, around: Neighbourhood) -> Connection:
    """Return the connection of a serial line, or of what stands for it. A pseudo-terminal is a simulator's and may be opened."""
    other = around.replaced.get(path)
    return Serial(path=path, allowed=around.real) if other is None else replacement(other, around)


def replacement(target: str, around: Neighbourhood) -> Connection:
    """Return the connection of `host:port` or of a path."""
    if _SPEC.fullmatch(target):
        return internet(target, replace(around, replaced={}))
    return Serial(path=target)


def receive(fd: int) -> bytes | None:
    """Return what has arrived, empty if nothing has; None: the other side has closed.

    Raises:
        OSError: the connection is broken.
    """
    try:
        data = os.read(fd, CHUNK)
    except BlockingIOError:
        return b""
    return data if data or _is_datagram(fd) else None


def _is_datagram(fd: int) -> bool:
    """Tell whether an empty message is one, and not the end."""
    try:
        with socket.socket(fileno=os.dup(fd)) as copy:
            return copy.type == socket.SOCK_DGRAM
    except OSError:  # a serial line
        return False


def send(fd: int, data: bytes, timeout_s: float) -> int:
    """Write; return how much could be written in time.

    Raises:
        OSError: the connection is broken.
    """
    done, poller = 0, select.poll()
    poller.register(fd, select.POLLOUT)
    while done < len(data):
        try:
            done += os.write(fd, data[done:])
        except BlockingIOError:
            if not poller.poll(timeout_s * 1000):
                break
    return done
