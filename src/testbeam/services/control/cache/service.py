"""The cache's loop: connections in one thread, lines to the core, what it leaves back to the connections."""

import ipaddress
import itertools
import logging
import threading
import time
from dataclasses import dataclass

from testbeam.errors import SettingsError
from testbeam.runtime.ready_file import write_ready_file
from testbeam.services.control.cache.core import Client, Core
from testbeam.services.control.cache.settings import PROG, CacheSettings
from testbeam.services.control.cache.store import Store
from testbeam.transport.tcp_server import Peer, TcpServer

_MOST_LINE_BYTES = 16_000_000
_MOST_WAITING_BYTES = 100_000_000
_STALLED_S = 5.0
_WAIT_S = 0.1
_FLUSH_S = 0.2
_REFUSAL_S = 1.0
BYTES_PER_MB = 1_000_000
_log = logging.getLogger(PROG)


@dataclass(slots=True)
class _Connection:
    number: int
    client: Client
    rest: bytes = b""


def serve(settings: CacheSettings, stop: threading.Event) -> None:
    """Keep the newest value of every key and tell it to whoever subscribed, until told to stop."""
    if not is_loopback(settings.host) and not settings.allow_remote:
        raise SettingsError("host", settings.host, "a loopback address, or --allow-remote: everybody who reaches the cache may write")
    store = None if settings.store is None else Store(settings.store)
    service = CacheService(settings, store)
    try:
        while not stop.is_set():
            service.step()
    finally:
        service.close()


def is_loopback(host: str) -> bool:
    """Tell whether an address can be reached from this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class CacheService:
    """One cache; it is a `tcp_server.Handler`."""

    def __init__(self, settings: CacheSettings, store: Store | None) -> None:
        self.core = Core(settings.history, None if store is None else store.keep, settings.limit_mb * BYTES_PER_MB)
        self._store = store
        self._numbers = itertools.count(1)
        self._flush_at_s = 0.0
        self._next_expiry_s: float | None = None
        self._undecodable = 0
        self._refused_told = 0
        self._refusal_at_s = 0.0
        if store is not None:
            store.read(self.core.restore)
            self._rewrite_store(store)
        self._server = TcpServer(settings.host, settings.port, self, most_waiting_bytes=_MOST_WAITING_BYTES, stalled_s=_STALLED_S)
        _log.info("ready: cache at %s:%d, %d keys", settings.host, self._server.port, len(self.core.entries))
        write_ready_file(settings.ready_file)

    def step(self) -> None:
        """Do one round."""
        now_s = time.time()
        wait_s = _WAIT_S if self._next_expiry_s is None else min(max(self._next_expiry_s - now_s, 0.0), _WAIT_S)
        self._server.run_once(wait_s)
        now_s = time.time()
        self._next_expiry_s = self.core.expire(now_s)
        self._hand_out()
        self._server.flush()
        if self._store is not None and now_s > self._flush_at_s:
            self._flush_at_s = now_s + _FLUSH_S
            self._store.flush()
            if self._store.has_grown:
                self._rewrite_store(self._store)
        if self.core.refused > self._refused_told and now_s > self._refusal_at_s:
            self._refusal_at_s = now_s + _REFUSAL_S
            self._tell_refused()

    def _rewrite_store(self, store: Store) -> None:
        store.begin((one.time, key, one.value) for key, one in self.core.entries.items() if one.value and not one.no_store)

    def _tell_refused(self) -> None:
        self._refused_told = self.core.refused
        used_mb = self.core.stored_bytes / BYTES_PER_MB
        _log.warning(
            "full: %d updates refused so far; %d keys take %.0f MB, see --limit-mb", self._refused_told, len(self.core.entries), used_mb
        )

    def close(self) -> None:
        """Close every connection and the store."""
        self._server.close()
        if self._store is not None:
            self._store.close()
        _log.info("%d updates taken in, %d refused, %d garbled lines", self.core.updates, self.core.refused, self.core.garbled)

    def opened(self, peer: Peer) -> None:
        """Take in a connection."""
        number = next(self._numbers)
        peer.state = _Connection(number, self.core.join(number))

    def received(self, peer: Peer, data: bytes) -> None:
        """Take in bytes; a rest without an end waits for more."""
        connection: _Connection = peer.state
        whole, newline, rest = data.rpartition(b"\n")
        if not newline:
            connection.rest += data
            if len(connection.rest) > _MOST_LINE_BYTES:
                peer.close(f"a line of more than {_MOST_LINE_BYTES} bytes")
            return
        block, connection.rest = connection.rest + whole, rest
        if not self.core.take(connection.number, self._lines(peer, block), time.time()):
            self._hand_out()
            _log.warning("connection of %s closed: it sent an empty or garbled line", peer.address)
            peer.close_when_sent()
        elif len(connection.client.lines) > 10_000:
            self._hand_out()

    def closed(self, peer: Peer) -> None:
        """Forget a connection."""
        self.core.leave(peer.state.number)

    def _lines(self, peer: Peer, block: bytes) -> list[str]:
        try:
            return block.decode().split("\n")
        except UnicodeDecodeError:
            return [text for text in (self._decoded(peer, line) for line in block.split(b"\n")) if text is not None]

    def _decoded(self, peer: Peer, line: bytes) -> str | None:
        try:
            return line.decode()
        except UnicodeDecodeError:
            self._undecodable += 1
            _log.warning("a line of %s is not UTF-8 and is skipped (%d so far): %.60r", peer.address, self._undecodable, line)
            return None

    def _hand_out(self) -> None:
        for peer in tuple(self._server.peers):
            lines = peer.state.client.lines
            if lines:
                peer.send("".join(lines).encode())
                lines.clear()
