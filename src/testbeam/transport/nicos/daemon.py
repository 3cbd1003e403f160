"""Client side of the daemon protocol: a connection for commands, one for events, read by a thread of its own."""

import base64
import hashlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from testbeam.errors import ControlError, TransportError, WireError
from testbeam.model.deadline import Deadline
from testbeam.wire.nicos.daemon_frames import CLIENT_ID_BYTES, EventFrame, encode_command, take_event, take_reply
from testbeam.wire.nicos.daemon_words import Command, Event
from testbeam.wire.nicos.serialisers import FOR_CLIENTS, Serialiser

OnEvent = Callable[[Event, Any], None]  # data of live data are (words, blobs)
_CONNECT_S = 5.0
_READ_BYTES = 1 << 18
_log = logging.getLogger(__name__)


class DaemonConnection:
    """A client of the daemon at `host:port`, logged in; `on_event` is called by the thread that reads events.

    Raises:
        TransportError: nobody answers there, or what does is no daemon.
        ControlError: the log-in is refused.
    """

    def __init__(
        self,
        host: str,
        port: int,
        user: str,
        password: str,
        *,
        on_event: OnEvent | None = None,
        masked: Iterable[Event] = (),
        within_s: float = 10.0,
    ) -> None:
        self.address = f"{host}:{port}"
        self.level = 0
        self._on_event = on_event
        self._lock = threading.Lock()
        self._buffer = bytearray()
        self._closed = False
        self.lost = ""
        client_id = os.urandom(CLIENT_ID_BYTES)
        self._socket = self._connected(host, port, client_id, within_s)
        try:
            self._serialiser: Serialiser = FOR_CLIENTS["json"]
            self.banner = self._banner(within_s)
            self._log_in(user, password, within_s)
            if masked:
                self.ask(Command.EVENTMASK, [event.name.lower() for event in masked], within_s=within_s)
            self._events = self._connected(host, port, client_id, within_s)
        except BaseException:
            self._socket.close()
            raise
        self._events.settimeout(None)
        self._thread = threading.Thread(target=self._read_events, name="daemon-events", daemon=True)
        self._thread.start()

    def ask(self, command: Command, *arguments: Any, within_s: float = 30.0) -> Any:
        """Give a command and return what is answered, None for a bare acknowledgement.

        Raises:
            ControlError: the daemon refuses; the message is its own.
            TransportError: the connection is lost, or no answer comes in time.
        """
        with self._lock:
            if self.lost:
                raise TransportError(self.lost)
            try:
                self._socket.sendall(encode_command(command, self._serialiser.dump(list(arguments))))
                frame = self._reply(within_s)
            except (OSError, WireError) as error:
                self._lose(f"the connection to the daemon at {self.address} is lost: {error}")
                raise TransportError(self.lost) from None
        value = self._serialiser.load(frame.payload) if frame.payload else None
        if not frame.ok:
            raise ControlError(str(value))
        return value

    def close(self) -> None:
        """Log out."""
        if self._closed:
            return
        with suppress(TransportError, ControlError):
            self.ask(Command.QUIT, within_s=1.0)
        self._closed = True
        for one in (self._events, self._socket):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        if threading.current_thread() is not self._thread:
            self._thread.join(2)

    def _connected(self, host: str, port: int, client_id: bytes, within_s: float) -> socket.socket:
        try:
            connection = socket.create_connection((host, port), min(_CONNECT_S, within_s))
        except OSError as error:
            raise TransportError(f"no daemon at {host}:{port} ({error.strerror or error}); is it up?") from None
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(client_id)
        return connection

    def _banner(self, within_s: float) -> dict[str, Any]:
        try:
            frame = self._reply(within_s)
            name = "json" if frame.payload[:1] == b"{" else "classic"
            self._serialiser = FOR_CLIENTS[name]
            banner = self._serialiser.load(frame.payload)
        except (OSError, WireError) as error:
            raise TransportError(f"what answers at {self.address} is no daemon: {error}") from None
        if not isinstance(banner, dict) or "daemon_version" not in banner:
            raise TransportError(f"what answers at {self.address} is no daemon: its banner names no version")
        return banner

    def _log_in(self, user: str, password: str, within_s: float) -> None:
        credentials = {"login": user, "passwd": _for_wire(password, self.banner), "display": ""}
        answer = self.ask(Command.AUTHENTICATE, credentials, within_s=within_s)
        self.level = int(answer["user_level"]) if isinstance(answer, dict) and "user_level" in answer else 0

    def _reply(self, within_s: float) -> Any:
        deadline = Deadline(within_s)
        while True:
            frame = take_reply(self._buffer)
            if frame is not None:
                return frame
            self._socket.settimeout(max(deadline.left_s, 0.001))
            data = self._socket.recv(_READ_BYTES)
            if not data:
                raise OSError("the daemon closed it")
            self._buffer += data

    def _read_events(self) -> None:
        buffer = bytearray()
        try:
            while data := self._events.recv(_READ_BYTES):
                buffer += data
                while (frame := take_event(buffer)) is not None:
                    self._tell(frame)
        except (OSError, WireError) as error:
            self._lose(f"the event connection to the daemon at {self.address} is lost: {error}")
        else:
            self._lose(f"the daemon at {self.address} closed the event connection")

    def _tell(self, frame: EventFrame) -> None:
        if self._on_event is None:
            return
        try:
            data = self._serialiser.load(frame.payload) if frame.payload else None
            self._on_event(frame.event, (data, frame.blobs) if frame.event is Event.LIVEDATA else data)
        except Exception:  # a listener's own error, or a value that can't be read: later events still count
            _log.exception("event %s could not be taken in", frame.event.name.lower())

    def _lose(self, why: str) -> None:
        if not self._closed and not self.lost:
            self.lost = why


def _for_wire(password: str, banner: dict[str, Any]) -> str:
    """Return a password as the banner asks for it."""
    hashing, _, plain = str(banner.get("pw_hashing") or "sha1").partition(",")
    key = banner.get("rsakey")
    if hashing == "rsa":
        try:
            import rsa
        except ImportError:
            hashing = plain or "plain"
        else:
            public = rsa.PublicKey.load_pkcs1(base64.b64decode(key if isinstance(key, bytes) else str(key)))
            try:
                return "RSA:" + base64.b64encode(rsa.encrypt(password.encode(), public)).decode()
            except OverflowError:  # longer than the daemon's key takes
                hashing = plain or "plain"
    if hashing in ("md5", "sha1"):
        return hashlib.new(hashing, password.encode(), usedforsecurity=False).hexdigest()
    return password
