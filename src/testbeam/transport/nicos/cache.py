"""Client of the cache: a mirror of all keys of one prefix, told of each change, and a way to set them.

One thread of its own keeps the connection, and makes it anew when it is lost; meanwhile the mirror answers and what is set waits. A cache
that has come back without its values is told again what this client has set. Locks, history and one-off questions have a socket of their
own, as they are waited for.
"""

import logging
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from testbeam.errors import TransportError, WireError
from testbeam.model.deadline import Deadline
from testbeam.wire.nicos.cache_lines import (
    ASK,
    END_MARKER,
    LOCK,
    SUBSCRIBE,
    TELL,
    TELL_EXPIRED,
    WILDCARD,
    CacheLine,
    parse_line,
    time_text,
)
from testbeam.wire.nicos.values import dump, load

PREFIX = "nicos/"
_RETRY_S = 0.1
_CONNECT_S = 1.0
_MOST_WAITING = 100_000  # lines for a cache that takes none off; beyond, the newest of each key
_READ_BYTES = 1 << 18
_LOOK_MS = 1000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CacheValue:
    """One key's value, when it was so (s since 1970), for how long that holds, and whether somebody called it expired."""

    value: Any
    time_s: float
    ttl_s: float | None = None
    expired: bool = False

    def is_fresh(self, now_s: float) -> bool:
        """Tell whether the value still holds."""
        return not self.expired and (self.ttl_s is None or now_s <= self.time_s + self.ttl_s)


OnUpdate = Callable[[str, CacheValue], None]


class CacheClient:
    """A client of the cache at `host:port`; keys are given without the prefix. Any thread may call; `on_update` is called by its own."""

    def __init__(self, host: str, port: int, *, prefix: str = PREFIX, on_update: OnUpdate | None = None) -> None:
        self.address = f"{host}:{port}"
        self.dropped = 0
        self._place = host, port
        self._prefix = prefix
        self.on_update = on_update
        self.on_connection: Callable[[bool], None] = lambda _connected: None  # called by the client's thread
        self._values: dict[str, CacheValue] = {}
        self._own: dict[str, CacheLine] = {}
        self._outgoing: deque[str] = deque()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._synchronised = threading.Event()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._thread = threading.Thread(target=self._keep_connected, name="cache-client", daemon=True)
        self._thread.start()

    @property
    def connected(self) -> bool:
        """Tell whether the mirror is as the cache is."""
        return self._synchronised.is_set()

    def wait_connected(self, within_s: float) -> bool:
        """Return whether the mirror is as the cache is, waiting for it for a while."""
        return self._synchronised.wait(within_s)

    def get(self, key: str) -> CacheValue | None:
        """Return a key's value as the mirror has it."""
        return self._values.get(key)

    def items(self, containing: str = "") -> list[tuple[str, CacheValue]]:
        """Return all keys that contain a text."""
        with self._lock:
            return [(key, value) for key, value in self._values.items() if containing in key]

    def put(self, key: str, value: Any, *, time_s: float | None = None, ttl_s: float | None = None, no_store: bool = False) -> None:
        """Set a key; None as the text None, not as a deletion."""
        time_s = time.time() if time_s is None else time_s
        line = CacheLine(
            key=f"{self._prefix}{key}", operator=TELL, value=dump(value), time_s=time_s, ttl_s=ttl_s, marked=True, no_store=no_store
        )
        with self._lock:
            self._values[key] = CacheValue(value, time_s, ttl_s)
            self._own[key] = line
            self._outgoing.append(line.encode())
            if len(self._outgoing) > _MOST_WAITING:
                self.dropped += len(self._outgoing) - len(self._own)
                self._outgoing = deque(one.encode() for one in self._own.values())
        self._wake()

    def delete(self, key: str) -> None:
        """Delete a key."""
        with self._lock:
            self._values.pop(key, None)
            self._own.pop(key, None)
            self._outgoing.append(f"{self._prefix}{key}{TELL}\n")
        self._wake()

    def query(self, containing: str, within_s: float = 2.0) -> list[tuple[str, CacheValue]]:
        """Ask the cache, not the mirror; raise TransportError where it does not answer."""
        lines = self._ask(f"@{self._prefix}{containing}{WILDCARD}\n{END_MARKER}{ASK}\n", within_s)
        return [(line.key.removeprefix(self._prefix), _read(line)) for line in lines if line.value]

    def history(self, key: str, begin_s: float, end_s: float, interval_s: float | None = None, within_s: float = 2.0) -> list[CacheValue]:
        """Return a key's values of a time, oldest first; raise TransportError where the cache does not answer."""
        interval = "" if not interval_s else f"{interval_s:g}"
        asked = f"{time_text(begin_s)}-{time_text(end_s)}@{self._prefix}{key}{ASK}{interval}\n{END_MARKER}{ASK}\n"
        return [_read(line) for line in self._ask(asked, within_s) if line.operator == TELL]

    def lock(self, key: str, who: str, ttl_s: float, within_s: float = 2.0) -> str:
        """Ask for a lock; return "" where it is ours now, else its holder. Raise TransportError where the cache does not answer."""
        lines = self._ask(f"+{ttl_s:g}@{key}{LOCK}+{who}\n{END_MARKER}{ASK}\n", within_s)
        return next((line.value for line in lines if line.operator == LOCK), "")

    def unlock(self, key: str, who: str, within_s: float = 1.0) -> None:
        """Give a lock back, where the cache still answers."""
        with suppress(TransportError):
            self._ask(f"{key}{LOCK}-{who}\n{END_MARKER}{ASK}\n", within_s)

    def flush(self, within_s: float = 1.0) -> bool:
        """Wait until what was set is sent; return whether it is."""
        deadline = Deadline(within_s)
        while self._outgoing and not deadline.passed and not self._stop.is_set():
            self._wake()
            self._stop.wait(0.002)
        return not self._outgoing

    def close(self) -> None:
        """End the connection and the thread."""
        self._stop.set()
        self._wake()
        if threading.current_thread() is not self._thread:
            self._thread.join(_CONNECT_S + 1)
        self._wake_in.close()
        self._wake_out.close()

    def _wake(self) -> None:
        with suppress(OSError):
            self._wake_in.send(b"!")

    def _keep_connected(self) -> None:
        said = False
        while not self._stop.is_set():
            try:
                with socket.create_connection(self._place, _CONNECT_S) as connection:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    connection.setblocking(False)
                    said = False
                    self._talk(connection)
            except OSError as error:
                if not said and not self._stop.is_set():
                    _log.warning("no cache at %s (%s); trying again every %g s", self.address, error.strerror or error, _RETRY_S)
                said = True
            if self._synchronised.is_set():
                self._synchronised.clear()
                self.on_connection(False)
            self._stop.wait(_RETRY_S)

    def _talk(self, connection: socket.socket) -> None:
        buffer, sending = bytearray(), self._greeting()
        poll, place, wake = select.poll(), connection.fileno(), self._wake_out.fileno()  # select() ends at 1,024 descriptors of a process
        poll.register(wake, select.POLLIN)
        while not self._stop.is_set():
            poll.register(place, select.POLLIN | (select.POLLOUT if sending or self._outgoing else 0))
            ready = dict(poll.poll(_LOOK_MS))
            if wake in ready:
                self._wake_out.recv(4096)
            if ready.get(place, 0) & select.POLLOUT:
                if not sending:
                    sending = self._take_outgoing()
                sending = sending[connection.send(sending) :]
            if ready.get(place, 0) & ~select.POLLOUT:  # bytes, the end, or an error that reading tells
                data = connection.recv(_READ_BYTES)
                if not data:
                    _log.warning("the cache at %s closed the connection", self.address)
                    return
                buffer += data
                self._take_lines(buffer)

    def _greeting(self) -> bytes:
        """Subscribe first, so that no change is missed between the two; then ask for all, and tell again what is ours."""
        with self._lock:
            self._outgoing.clear()
            own = "".join(line.encode() for line in self._own.values())
        return f"@{self._prefix}{SUBSCRIBE}\n@{self._prefix}{WILDCARD}\n{own}{END_MARKER}{ASK}\n".encode()

    def _take_outgoing(self) -> bytes:
        with self._lock:
            lines = "".join(self._outgoing)
            self._outgoing.clear()
        return lines.encode()

    def _take_lines(self, buffer: bytearray) -> None:
        whole, newline, rest = bytes(buffer).rpartition(b"\n")
        if not newline:
            return
        buffer[:] = rest
        for text in whole.decode(errors="replace").split("\n"):
            try:
                line = parse_line(text)
                if line.key == END_MARKER:
                    self._synchronised.set()
                    self.on_connection(True)
                elif line.operator in (TELL, TELL_EXPIRED) and line.key.startswith(self._prefix):
                    self._take(line)
            except WireError as error:
                _log.warning("the cache at %s sent what can't be read: %s", self.address, error)

    def _take(self, line: CacheLine) -> None:
        key, new = line.key.removeprefix(self._prefix), _read(line)
        with self._lock:
            own = self._own.get(key)
            if own is not None and (own.time_s or 0.0) > new.time_s and line.operator == TELL:
                return  # ours is newer and on its way
            if line.value:
                self._values[key] = new
            else:
                self._values.pop(key, None)
            if own is not None and own.value != line.value:
                self._own.pop(key, None)  # somebody else's word counts now
        if self.on_update is not None:
            try:
                self.on_update(key, new)
            except Exception:  # of whoever listens: the connection serves others, too
                _log.exception("what is called on a change of %r failed", key)

    def _ask(self, text: str, within_s: float) -> list[CacheLine]:
        """Return the lines up to the end marker, from a connection made for this."""
        deadline, buffer = Deadline(within_s), b""
        try:
            with socket.create_connection(self._place, within_s) as connection:
                connection.sendall(text.encode())
                while f"{END_MARKER}{TELL_EXPIRED}".encode() not in buffer[-20:]:
                    connection.settimeout(max(deadline.left_s, 0.001))
                    data = connection.recv(_READ_BYTES)
                    if not data:
                        raise TransportError(f"the cache at {self.address} closed the connection on {text[:60]!r}")
                    buffer += data
        except OSError as error:
            raise TransportError(f"the cache at {self.address} did not answer within {within_s:g} s: {error}") from None
        lines = [parse_line(one) for one in buffer.decode(errors="replace").splitlines()]
        return [line for line in lines if line.key != END_MARKER]


def _read(line: CacheLine) -> CacheValue:
    value = load(line.value) if line.value else None
    return CacheValue(value, line.time_s or time.time(), line.ttl_s, line.operator == TELL_EXPIRED)
