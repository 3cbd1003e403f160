"""The daemon's connections: who speaks, their commands one after the other, and the events for each.

One thread has all sockets. What may take time (evaluating, asking the cache) is done by a thread of the connection's own, in order. A
client has two connections, which begin with the same 16 bytes; events that come before the second wait for it.
Source: docs/reference/contracts/control.md, "Daemon protocol".
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from testbeam.errors import WireError
from testbeam.services.control.daemon.settings import PROG
from testbeam.services.control.daemon.users import User
from testbeam.transport.tcp_server import Peer, TcpServer
from testbeam.wire.nicos.daemon_frames import CLIENT_ID_BYTES, CommandFrame, encode_event, encode_reply, take_command
from testbeam.wire.nicos.daemon_words import Command, Event
from testbeam.wire.nicos.serialisers import Serialiser

_MOST_WAITING_BYTES = 100_000_000
_MOST_EARLY_BYTES = 10_000_000
_MOST_COMMANDS = 1000  # of one client, not answered yet
_STALLED_S = 60.0
_HANDSHAKE_S = 30.0
_WAIT_S = 0.5
_log = logging.getLogger(PROG)


class Answers(Protocol):
    """What the daemon answers."""

    def banner(self) -> Any:
        """Return what a new client is told."""

    def log_in(self, arguments: Any) -> User | str:
        """Return who logs in, or why nobody does."""

    def is_quick(self, command: Command) -> bool:
        """Tell whether a command is answered without waiting for anything."""

    def answer(self, client: "Client", command: Command, arguments: list[Any]) -> tuple[bool, Any]:
        """Return whether it went well, and what to reply."""

    def left(self, client: "Client") -> None:
        """Take note that a client has gone."""


@dataclass(slots=True, eq=False)
class Client:
    """One client: its command connection, who it is, and the connection for events once that is there."""

    peer: Peer
    since_s: float
    buffer: bytearray = field(default_factory=bytearray)
    id: bytes = b""
    user: User | None = None
    events: Peer | None = None
    early: list[bytes] = field(default_factory=list)
    early_bytes: int = 0
    masked: set[Event] = field(default_factory=lambda: {Event.PROMPTDONE})
    waiting: deque[CommandFrame] = field(default_factory=deque)
    busy: bool = False
    is_event_connection: bool = False


class Server:
    """Accepts clients and speaks with them; it is a `tcp_server.Handler`. `on_crash` is called where its thread ends by an error."""

    def __init__(self, host: str, port: int, serialiser: Serialiser, answers: Answers, on_crash: Callable[[], None]) -> None:
        self.crashed = False
        self._on_crash = on_crash
        self._serialiser = serialiser
        self._answers = answers
        self._clients: dict[bytes, Client] = {}
        self._handshakes: set[Client] = set()
        self._server = TcpServer(host, port, self, most_waiting_bytes=_MOST_WAITING_BYTES, stalled_s=_STALLED_S)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="daemon-connections", daemon=True)

    @property
    def port(self) -> int:
        """Return the port it listens on."""
        return self._server.port

    @property
    def clients(self) -> int:
        """Return how many clients are logged in."""
        return sum(client.user is not None for client in list(self._clients.values()))

    def start(self) -> None:
        """Begin to accept."""
        self._thread.start()

    def close(self) -> None:
        """End all connections."""
        self._stop.set()
        self._server.call_soon(lambda: None)
        if self._thread.is_alive():
            self._thread.join(5)

    def emit(self, event: Event, data: Any, blobs: Iterable[bytes] = ()) -> None:
        """Tell all clients that want to know; any thread may."""
        blobs = tuple(blobs)
        self._server.call_soon(lambda: self._emit(event, data, blobs))

    def opened(self, peer: Peer) -> None:
        """Wait for a connection's first bytes."""
        peer.state = client = Client(peer, time.monotonic())
        self._handshakes.add(client)

    def received(self, peer: Peer, data: bytes) -> None:
        """Take in what a connection sent."""
        client: Client = peer.state
        if client.is_event_connection:
            return  # nothing is said on it
        client.buffer += data
        if not client.id:
            if len(client.buffer) < CLIENT_ID_BYTES:
                return
            client.id = bytes(client.buffer[:CLIENT_ID_BYTES])
            del client.buffer[:CLIENT_ID_BYTES]
            self._identified(client)
        self._take_commands(client)

    def closed(self, peer: Peer) -> None:
        """Forget a connection; a client without its event connection is cut, as nothing could be told to it."""
        client: Client = peer.state
        self._handshakes.discard(client)
        if client.is_event_connection:
            owner = self._clients.get(client.id)
            if owner is not None and owner.events is peer:
                owner.events = None
                owner.peer.close()
            return
        if self._clients.get(client.id) is client:
            del self._clients[client.id]
            if client.events is not None:
                client.events.close()
            self._answers.left(client)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._server.run_once(_WAIT_S)
                if self._handshakes:
                    self._cut_slow()
        except Exception:
            _log.exception("the connections' thread ended by an error that was not foreseen")
            self.crashed = True
            self._on_crash()  # a daemon that nobody can speak to is of no use
        finally:
            self._server.close()

    def _identified(self, client: Client) -> None:
        owner = self._clients.get(client.id)
        if owner is not None and owner.user is not None and owner.events is None and _host(owner.peer) == _host(client.peer):
            client.is_event_connection = True
            self._handshakes.discard(client)
            owner.events = client.peer
            for early in owner.early:
                client.peer.send(early)
            owner.early.clear()
        elif owner is not None:
            client.id = b""
            client.peer.close("its 16 bytes are another client's")
        else:
            self._clients[client.id] = client
            self._reply(client, True, self._answers.banner())

    def _take_commands(self, client: Client) -> None:
        try:
            while client.peer.is_open and not client.is_event_connection and (frame := take_command(client.buffer)) is not None:
                client.waiting.append(frame)
                if len(client.waiting) > _MOST_COMMANDS:
                    client.peer.close(f"more than {_MOST_COMMANDS} of its commands wait")
                    return
        except WireError as error:
            self._reply(client, False, f"invalid command: {error}")
            _log.warning("connection of %s closed: %s", client.peer.address, error)
            client.peer.close_when_sent()
            return
        self._work_off(client)

    def _work_off(self, client: Client) -> None:
        """Answer what waits, up to the first command that takes time; that one goes on in a thread."""
        while client.waiting and not client.busy and client.peer.is_open:
            frame = client.waiting.popleft()
            arguments = self._arguments(client, frame)
            if arguments is None:
                return
            command = frame.command
            if command is None:
                self._reply(client, False, f"command {frame.number:#x} is not known")
            elif client.user is None:
                self._log_in(client, command, arguments)
            elif self._answers.is_quick(command):
                self._reply(client, *self._answer(client, command, arguments))
                if command is Command.QUIT:
                    client.peer.close_when_sent()
            else:
                client.busy = True
                work = self._work(client, command, arguments)
                threading.Thread(target=work, name=f"daemon-{command.name.lower()}", daemon=True).start()

    def _arguments(self, client: Client, frame: CommandFrame) -> list[Any] | None:
        try:
            arguments = self._serialiser.load(frame.payload) if frame.payload else []
        except WireError as error:
            self._reply(client, False, f"the arguments can't be read: {error}")
            if client.user is None:
                client.peer.close_when_sent()
                return None
            self._next(client)
            return None
        if not isinstance(arguments, list | tuple):
            self._reply(client, False, "the arguments are no list")
            self._next(client)
            return None
        return list(arguments)

    def _next(self, client: Client) -> None:
        """Go on with what waits behind a command that could not be read."""
        self._server.call_soon(lambda: self._work_off(client))

    def _log_in(self, client: Client, command: Command, arguments: list[Any]) -> None:
        found = self._answers.log_in(arguments) if command is Command.AUTHENTICATE else "log in first"
        if isinstance(found, User):
            client.user = found
            self._handshakes.discard(client)
            self._reply(client, True, {"user_level": int(found.level)})
        else:
            self._reply(client, False, found)
            client.peer.close_when_sent()

    def _work(self, client: Client, command: Command, arguments: list[Any]) -> Callable[[], None]:
        def work() -> None:
            ok, value = self._answer(client, command, arguments)
            data = self._encoded(ok, value)
            self._server.call_soon(lambda: done(data))

        def done(data: bytes) -> None:
            client.peer.send(data)
            client.busy = False
            self._work_off(client)

        return work

    def _answer(self, client: Client, command: Command, arguments: list[Any]) -> tuple[bool, Any]:
        try:
            return self._answers.answer(client, command, arguments)
        except BaseException as error:  # an answer that fails, or calls `exit`, must not take the connection with it
            _log.exception("command %s of %s failed", command.name.lower(), client.peer.address)
            return False, f"{command.name.lower()} failed: {type(error).__name__}: {error}"

    def _reply(self, client: Client, ok: bool, value: Any) -> None:
        client.peer.send(self._encoded(ok, value))

    def _encoded(self, ok: bool, value: Any) -> bytes:
        if ok and value is None:
            return encode_reply(True, None)
        try:
            return encode_reply(ok, self._serialiser.dump(value))
        except Exception as error:  # whatever a user's object does when it is looked at
            return encode_reply(False, self._serialiser.dump(f"the answer can't be sent: {type(error).__name__}: {error}"))

    def _emit(self, event: Event, data: Any, blobs: tuple[bytes, ...]) -> None:
        frame: bytes | None = None
        for client in list(self._clients.values()):
            if client.user is None or event in client.masked:
                continue
            if frame is None:
                frame = encode_event(event, self._serialiser.dump(data), blobs)
            if client.events is not None:
                client.events.send(frame)
            elif client.early_bytes + len(frame) <= _MOST_EARLY_BYTES:
                client.early.append(frame)
                client.early_bytes += len(frame)
            else:  # what it would be told later would have a gap that nobody knows of
                client.peer.close(f"more than {_MOST_EARLY_BYTES} bytes of events wait for its event connection")

    def _cut_slow(self) -> None:
        limit_s = time.monotonic() - _HANDSHAKE_S
        for client in [client for client in self._handshakes if client.since_s < limit_s]:
            client.peer.close(f"it has not logged in within {_HANDSHAKE_S:g} s")


def _host(peer: Peer) -> str:
    return peer.address.rpartition(":")[0]
