"""One simulated device behind a TCP port or a pseudo-terminal, with its backdoor: one thread, which waits for all of them.

Backdoor: a Unix socket that takes one JSON object a line and answers one. `{"do": "state"}`, `{"do": "set", "name": …, "value": …}`,
`{"do": "fault", "name": …, "value": …}`, `{"do": "push", "text": …}`, `{"do": "advance", "seconds": …}`, `{"do": "disconnect"}`,
`{"do": "transcript"}`.
"""

import contextlib
import errno
import heapq
import itertools
import json
import logging
import os
import pty
import selectors
import socket
import threading
import time
import tty
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from testbeam.errors import PortTaken, TestbeamError
from testbeam.simulators.devices.device import Device, terminators
from testbeam.simulators.devices.faults import Faults, Piece, spoiled

log = logging.getLogger("device")

_TICK_S = 0.05
_LONGEST_REQUEST = 1 << 16
_TRANSCRIPT = 2000


@dataclass(slots=True, eq=False)
class Client:
    """One connection, or the line."""

    fd: int
    close: Callable[[], None]
    buffer: bytearray = field(default_factory=bytearray)
    held: list[bytes] = field(default_factory=list)  # requests that wait for the end of a silence


class DeviceServer:
    """Serves one device until told to stop. speed: virtual seconds in a real one; 0: time moves by the backdoor only."""

    def __init__(self, device: Device, *, faults: Faults | None = None, speed: float = 1.0) -> None:
        self.device = device
        self.faults = faults or Faults()
        self.transcript: deque[tuple[float, str, str]] = deque(maxlen=_TRANSCRIPT)
        self._speed = speed
        self._request_end, self._reply_end = terminators(device)
        self._selector = selectors.DefaultSelector()
        self._clients: dict[int, Client] = {}
        self._doors: dict[int, bytearray] = {}
        self._due: list[tuple[float, int, Client, Piece]] = []
        self._order = itertools.count()
        self._moved_at = time.monotonic()
        self._owned = contextlib.ExitStack()

    # --- what it listens on ---

    def listen(self, address: str, port: int) -> int:
        """Listen on a TCP port; return its number.

        Raises:
            PortTaken: somebody else has it.
        """
        server = self._owned.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((address, port))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            why = "is taken; give another, or stop who has it" if taken else f"can't be had: {error.strerror}"
            raise PortTaken(f"port {port} of {address} {why}") from error
        server.listen()
        self._watch(server.fileno(), lambda: self._accept(server))
        return int(server.getsockname()[1])

    def open_line(self, link: Path) -> None:
        """Make a pseudo-terminal, with a symbolic link at this path to the end that an IOC opens."""
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(theirs))
        self._owned.callback(lambda: link.unlink(missing_ok=True))
        self._owned.callback(os.close, theirs)  # kept open: a line does not end with the IOC
        self._add(Client(ours, lambda: os.close(ours)))

    def open_backdoor(self, path: Path) -> None:
        """Listen for the backdoor on a Unix socket."""
        path.unlink(missing_ok=True)
        server = self._owned.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        server.bind(str(path))
        server.listen()
        self._owned.callback(lambda: path.unlink(missing_ok=True))
        self._watch(server.fileno(), lambda: self._accept_backdoor(server))

    def _watch(self, fd: int, what: Callable[[], None]) -> None:
        self._selector.register(fd, selectors.EVENT_READ, what)

    def _accept(self, server: socket.socket) -> None:
        connection, _ = server.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        fd = connection.detach()
        self._add(Client(fd, lambda: os.close(fd)))

    def _add(self, client: Client) -> None:
        os.set_blocking(client.fd, False)
        self._clients[client.fd] = client
        self._watch(client.fd, lambda: self._read(client))

    def _accept_backdoor(self, server: socket.socket) -> None:
        connection, _ = server.accept()
        self._doors[connection.fileno()] = bytearray()
        self._watch(connection.fileno(), lambda: self._backdoor(connection))

    # --- the loop ---

    def serve(self, stop: threading.Event) -> None:
        """Serve until told to stop."""
        with self._owned:
            while not stop.is_set():
                self.step()
            self._drop_all()

    def step(self) -> None:
        """Wait for what comes next, for a tick at most, and do it."""
        now = time.monotonic()
        timeout = max(min(self._due[0][0] - now, _TICK_S), 0) if self._due else _TICK_S
        for key, _ in self._selector.select(timeout):
            key.data()
        self._move()
        self._send_due()
        self._push()

    def _move(self) -> None:
        now = time.monotonic()
        passed, self._moved_at = now - self._moved_at, now
        self.device.pass_time(passed * self._speed)

    def _push(self) -> None:
        while self.device.outbox:
            message = self.device.outbox.pop(0)
            for client in tuple(self._clients.values()):
                self._send(client, Piece(0.0, message + self._reply_end))

    # --- requests ---

    def _read(self, client: Client) -> None:
        try:
            data = os.read(client.fd, _LONGEST_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return
        client.buffer += data
        if len(client.buffer) > _LONGEST_REQUEST:
            client.buffer.clear()
        for request in self._requests(client):
            self._handle(client, request)

    def _requests(self, client: Client) -> list[bytes]:
        if not self._request_end:
            requests = [bytes(client.buffer)]
            client.buffer.clear()
            return requests
        *requests, rest = bytes(client.buffer).split(self._request_end)
        client.buffer[:] = rest
        return requests

    def _handle(self, client: Client, request: bytes) -> None:
        self._note("<", request)
        if self.faults.deaf:
            return
        if self.faults.silent:
            client.held.append(request)
            return
        self._move()
        reply = self.device.answer(request)
        if reply is None:
            return
        self._note(">", reply)
        now = time.monotonic()
        for piece in spoiled(reply, self._reply_end, self.faults, self.device.random):
            if piece.after_s <= 0:
                self._send(client, piece)
            else:
                heapq.heappush(self._due, (now + piece.after_s, next(self._order), client, piece))

    def _send_due(self) -> None:
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            _, _, client, piece = heapq.heappop(self._due)
            self._send(client, piece)

    def _send(self, client: Client, piece: Piece) -> None:
        if client.fd not in self._clients:
            return
        try:
            _write_all(client.fd, piece.data)
        except OSError:
            self._drop(client)
            return
        if piece.closes:
            self._drop(client)

    def _drop(self, client: Client) -> None:
        if self._clients.pop(client.fd, None) is not None:
            self._selector.unregister(client.fd)
            client.close()

    def _note(self, direction: str, data: bytes) -> None:
        self.transcript.append((round(time.time(), 6), direction, data.decode("latin-1")))

    # --- the backdoor ---

    def _backdoor(self, connection: socket.socket) -> None:
        buffer = self._doors[connection.fileno()]
        data = connection.recv(65_536)
        if not data:
            self._selector.unregister(connection.fileno())
            del self._doors[connection.fileno()]
            connection.close()
            return
        buffer += data
        while (end := buffer.find(b"\n")) >= 0:
            line = bytes(buffer[:end])
            del buffer[: end + 1]
            with contextlib.suppress(OSError):
                connection.sendall(json.dumps(self.order(line)).encode() + b"\n")

    def order(self, line: bytes) -> dict[str, Any]:
        """Do what one line of the backdoor asks for; return the answer, with `error` where that can't be done."""
        try:
            asked = json.loads(line)
            return {"ok": True, "value": self._orders()[asked["do"]](asked)}
        except TestbeamError as error:
            return {"ok": False, "error": str(error)}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            words = ", ".join(self._orders())
            return {"ok": False, "error": f"{type(error).__name__}: {error}; give a JSON object with do = {words}"}

    def _orders(self) -> dict[str, Callable[[dict[str, Any]], Any]]:
        return {
            "state": lambda _: self.device.state(),
            "set": lambda asked: self.device.change(asked["name"], asked["value"]),
            "fault": self._change_fault,
            "faults": lambda _: asdict(self.faults),
            "push": lambda asked: self.device.push(asked["text"]),
            "advance": lambda asked: self.device.pass_time(float(asked["seconds"])),
            "disconnect": lambda _: self._drop_all(),
            "transcript": lambda _: list(self.transcript),
        }

    def _drop_all(self) -> None:
        for client in tuple(self._clients.values()):
            self._drop(client)

    def _change_fault(self, asked: dict[str, Any]) -> None:
        self.faults.change(asked["name"], float(asked["value"]))
        if not self.faults.silent:
            for client in tuple(self._clients.values()):
                held, client.held = client.held, []
                for request in held:
                    self._handle(client, request)


def _write_all(fd: int, data: bytes) -> None:
    """Write, waiting for a slow reader for a second at most."""
    done, until = 0, time.monotonic() + 1.0
    while done < len(data):
        try:
            done += os.write(fd, data[done:])
        except BlockingIOError:
            if time.monotonic() > until:
                return
            with selectors.DefaultSelector() as selector:
                selector.register(fd, selectors.EVENT_WRITE)
                selector.select(0.1)
