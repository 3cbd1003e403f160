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
from dataclasses import dataclass, field
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
    _socket: socket.socket | None = None

    @property
    def target(self) -> str:
        """Return host and port."""
        return f"{self.host}:{self.port}"

    def open(self, timeout_s: float) -> int:
        """Connect."""
        self.close()
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
    options: dict[str, str] = field(default_factory=dict)
    _fd: int | None = None

    @property
    def target(self) -> str:
        """Return the path."""
        return self.path

    def open(self, timeout_s: float) -> int:  # noqa: ARG002 — a line is there or is not
        """Open the line with raw bytes at the speed that its options say."""
        self.close()
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


def internet(spec: str, local_host: str, replaced: Mapping[str, str]) -> Connection:
    """Return the connection of `host:port[:localport] [TCP|UDP|…]`.

    local_host: what `localhost` means here. replaced: targets that stand for others, `host:port` → `host:port` or the path of a line.

    Raises:
        ConversionError: it is no such text.
    """
    match = _SPEC.fullmatch(spec)
    kind = _KINDS.get(match["kind"].lower()) if match else None
    if match is None or kind is None:
        raise ConversionError(f"{spec!r} is not host:port[:localport] [TCP|UDP|UDP*|HTTP|COM]")
    other = replaced.get(f"{match['host']}:{match['port']}")
    if other is not None:
        return replacement(other, local_host)
    host = local_host if match["host"].lower() in _LOCAL else match["host"]
    return Internet(host=host, port=int(match["port"]), local_port=int(match["local"] or 0), datagrams=kind == "udp")


def serial(path: str, local_host: str, replaced: Mapping[str, str]) -> Connection:
    """Return the connection of a serial line, or of what stands for it."""
    other = replaced.get(path)
    return Serial(path=path) if other is None else replacement(other, local_host)


def replacement(target: str, local_host: str) -> Connection:
    """Return the connection of `host:port` or of a path."""
    return internet(target, local_host, {}) if _SPEC.fullmatch(target) else Serial(path=target)


def receive(fd: int) -> bytes | None:
    """Return what has arrived, empty if nothing has; None: the other side has closed.

    Raises:
        OSError: the connection is broken.
    """
    try:
        data = os.read(fd, CHUNK)
    except BlockingIOError:
        return b""
    return data or None


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
