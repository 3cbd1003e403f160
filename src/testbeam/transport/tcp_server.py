"""TCP server of many connections in one thread: what a peer sends comes to a callback, what is sent to it waits bounded.

A peer that takes nothing off for `stalled_s`, or for which more than `most_waiting_bytes` wait, is cut; the others notice nothing.
All calls but `call_soon` belong to the thread that calls `run_once`.
"""

import logging
import resource
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from testbeam.errors import PortTaken

_READ_BYTES = 1 << 18
_BACKLOG = 1024
_CHUNK_BYTES = 1 << 18
_REST_S = 0.2  # without accepting, where the system refuses: it would be asked again at once, for ever
_log = logging.getLogger(__name__)


class Handler(Protocol):
    """What is done with connections."""

    def opened(self, peer: "Peer") -> None:
        """Take note of a new connection."""

    def received(self, peer: "Peer", data: bytes) -> None:
        """Take what a connection sent."""

    def closed(self, peer: "Peer") -> None:
        """Take note that a connection is over, whoever ended it."""


@dataclass(slots=True, eq=False)
class Peer:
    """One connection; `state` is the handler's own."""

    socket: socket.socket
    address: str
    server: "TcpServer"
    state: Any = None
    waiting: deque[bytes | memoryview] = field(default_factory=deque)
    waiting_bytes: int = 0
    moved_s: float = 0.0  # when it last took something off, or had nothing waiting
    is_open: bool = True
    closes_when_sent: bool = False

    def send(self, data: bytes) -> None:
        """Send as soon as the peer takes it."""
        if not self.is_open or not data:
            return
        if not self.waiting:
            self.moved_s = time.monotonic()
            self.server.has_output(self)
        self.waiting.append(data)
        self.waiting_bytes += len(data)
        if self.waiting_bytes > self.server.most_waiting_bytes:
            self.server.has_output(self)  # a blocked one is not written to by itself: it is to be cut

    def close(self, why: str = "") -> None:
        """End the connection at once."""
        self.server.close_peer(self, why)

    def close_when_sent(self) -> None:
        """End the connection once what waits is sent."""
        self.closes_when_sent = True
        if not self.waiting:
            self.close()


class TcpServer:
    """Listens on one address; port 0 lets the system choose.

    Raises:
        PortTaken: the address can't be bound.
    """

    def __init__(self, host: str, port: int, handler: Handler, *, most_waiting_bytes: int, stalled_s: float) -> None:
        _allow_many_connections()
        self._handler = handler
        self._rests_until_s: float | None = None
        self.most_waiting_bytes = most_waiting_bytes
        self._stalled_s = stalled_s
        self._selector = selectors.DefaultSelector()
        self._listener = _listen(host, port)
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._selector.register(self._wake_out, selectors.EVENT_READ, self._wake_out)
        self._soon: deque[Callable[[], None]] = deque()
        self._outgoing: dict[Peer, None] = {}
        self._blocked: set[Peer] = set()
        self.peers: set[Peer] = set()

    @property
    def port(self) -> int:
        """Return the port it listens on."""
        return int(self._listener.getsockname()[1])

    def call_soon(self, call: Callable[[], None]) -> None:
        """Have the server's thread call this in its next round; any thread may ask."""
        self._soon.append(call)
        with suppress(BlockingIOError, OSError):
            self._wake_in.send(b"!")

    def run_once(self, wait_s: float) -> None:
        """Do one round: accept, take in what has come, do what was asked for, send what waits."""
        if self._rests_until_s is not None and time.monotonic() > self._rests_until_s:
            self._rests_until_s = None
            self._selector.register(self._listener, selectors.EVENT_READ, None)
        for key, events in self._selector.select(0 if self._outgoing else wait_s):
            if key.data is None:
                self._accept()
            elif isinstance(key.data, Peer):
                if events & selectors.EVENT_READ:
                    self._read(key.data)
                if events & selectors.EVENT_WRITE:
                    self._outgoing[key.data] = None
            else:
                with suppress(BlockingIOError):
                    self._wake_out.recv(4096)
        while self._soon:
            self._soon.popleft()()
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as the peers take it."""
        ready, self._outgoing = self._outgoing, {}
        for peer in ready:
            self._write(peer)
        if self._blocked:
            self._cut_stalled()

    def has_output(self, peer: Peer) -> None:
        """Note that something waits for a peer."""
        self._outgoing[peer] = None

    def close_peer(self, peer: Peer, why: str = "") -> None:
        """End a connection."""
        if not peer.is_open:
            return
        peer.is_open = False
        if why:
            _log.warning("connection of %s closed: %s", peer.address, why)
        self.peers.discard(peer)
        self._blocked.discard(peer)
        self._outgoing.pop(peer, None)
        peer.waiting.clear()
        self._selector.unregister(peer.socket)
        peer.socket.close()
        self._handler.closed(peer)

    def close(self) -> None:
        """End all connections and stop listening."""
        self.flush()
        for peer in tuple(self.peers):
            self.close_peer(peer)
        self._selector.close()
        for one in (self._listener, self._wake_in, self._wake_out):
            one.close()

    def _accept(self) -> None:
        for _ in range(_BACKLOG):
            try:
                connection, address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:  # out of file descriptors, or gone before we came
                _log.warning("a connection could not be accepted: %s", error)
                self._selector.unregister(self._listener)
                self._rests_until_s = time.monotonic() + _REST_S
                return
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = Peer(connection, f"{address[0]}:{address[1]}", self)
            self.peers.add(peer)
            self._selector.register(connection, selectors.EVENT_READ, peer)
            self._handler.opened(peer)

    def _read(self, peer: Peer) -> None:
        if not peer.is_open or peer.closes_when_sent:
            return
        try:
            data = peer.socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._handler.received(peer, data)
        else:
            self.close_peer(peer)

    def _write(self, peer: Peer) -> None:
        if not peer.is_open:
            return
        while peer.waiting:
            data = _next_chunk(peer.waiting)
            try:
                sent = peer.socket.send(data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self.close_peer(peer, f"{error.strerror}")
                return
            peer.waiting_bytes -= sent
            if sent:
                peer.moved_s = time.monotonic()
            if sent < len(data):
                peer.waiting.appendleft(memoryview(data)[sent:])
                self._block(peer)
                return
        self._unblock(peer)
        if peer.closes_when_sent:
            self.close_peer(peer)

    def _block(self, peer: Peer) -> None:
        if peer.waiting_bytes > self.most_waiting_bytes:
            self.close_peer(peer, f"{peer.waiting_bytes} bytes wait for it, {self.most_waiting_bytes} may")
        elif peer not in self._blocked:
            self._blocked.add(peer)
            self._selector.modify(peer.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, peer)

    def _unblock(self, peer: Peer) -> None:
        if peer in self._blocked:
            self._blocked.discard(peer)
            self._selector.modify(peer.socket, selectors.EVENT_READ, peer)

    def _cut_stalled(self) -> None:
        limit_s = time.monotonic() - self._stalled_s
        for peer in [peer for peer in self._blocked if peer.moved_s < limit_s]:
            self.close_peer(peer, f"it took nothing off for {self._stalled_s:g} s")


def _allow_many_connections() -> None:
    """Take as many file descriptors as this process may have: a soft limit is often 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _next_chunk(waiting: deque[bytes | memoryview]) -> bytes | memoryview:
    """Take what is sent next: one large piece as it is, small ones joined."""
    first = waiting.popleft()
    size, parts = len(first), [first]
    while waiting and size < _CHUNK_BYTES:
        parts.append(waiting.popleft())
        size += len(parts[-1])
    return first if len(parts) == 1 else b"".join(parts)


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setblocking(False)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise PortTaken(f"{host}:{port} can't be listened on: {error.strerror}; give another port, or end what holds it") from None
    return listener
