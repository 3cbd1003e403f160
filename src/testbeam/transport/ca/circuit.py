"""Circuit: one TCP connection to a Channel Access server, and who gets what arrives on it."""

import getpass
import itertools
import socket
from collections import deque
from dataclasses import dataclass, field

from testbeam.errors import TransportError
from testbeam.model.deadline import Deadline
from testbeam.wire.channel_access import requests
from testbeam.wire.channel_access.message import Command, Message, MessageStream

_READ_BYTES = 1 << 18
_ANSWERS = (Command.READ_NOTIFY, Command.WRITE_NOTIFY)


@dataclass(slots=True)
class Circuit:
    """One connection, for one thread at a time: answers wait by request id, updates queue by subscription id."""

    address: str
    port: int
    _socket: socket.socket
    _stream: MessageStream = field(default_factory=MessageStream)
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _answers: dict[int, Message] = field(default_factory=dict)
    _channels: dict[int, Message] = field(default_factory=dict)
    _updates: dict[int, deque[Message]] = field(default_factory=dict)
    _rights: dict[int, int] = field(default_factory=dict)

    @classmethod
    def connect(cls, address: str, port: int, deadline: Deadline) -> "Circuit":
        """Connect and say who we are.

        Raises:
            OSError: nobody listens there, or not in time.
        """
        sock = socket.create_connection((address, port), timeout=max(deadline.left_s, 0.001))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        circuit = cls(address, port, sock)
        circuit.send(requests.greeting(_user(), socket.gethostname()))
        return circuit

    def close(self) -> None:
        """End the connection; the server forgets all channels of it."""
        self._socket.close()

    def next_id(self) -> int:
        """Return an id that this circuit has not used."""
        return next(self._ids)

    def send(self, data: bytes) -> None:
        """Send one request or several.

        Raises:
            TransportError: the server has closed the connection.
        """
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise self.lost(error) from error

    def answer(self, request_id: int, deadline: Deadline) -> Message | None:
        """Return the answer to a read or write, or None when it does not come in time."""
        return self._wait_for(self._answers, request_id, deadline)

    def created(self, channel_id: int, deadline: Deadline) -> Message | None:
        """Return the server's answer to the request for a channel (CREATE_CHAN or CREATE_CH_FAIL), or None."""
        return self._wait_for(self._channels, channel_id, deadline)

    def access_rights(self, channel_id: int) -> int:
        """Return the rights bits of a channel: 1 may read, 2 may write."""
        return self._rights.get(channel_id, 0)

    def open_subscription(self, subscription_id: int) -> None:
        """Collect updates with this id from now on."""
        self._updates[subscription_id] = deque()

    def close_subscription(self, subscription_id: int) -> None:
        """Forget updates with this id; late ones are passed over."""
        self._updates.pop(subscription_id, None)

    def update(self, subscription_id: int, deadline: Deadline) -> Message | None:
        """Return the next update of a subscription in order, or None when there is none in time."""
        queue = self._updates[subscription_id]
        while not queue:
            if not self._receive(deadline):
                return None
        return queue.popleft()

    def _wait_for(self, arrived: dict[int, Message], key: int, deadline: Deadline) -> Message | None:
        while key not in arrived:
            if not self._receive(deadline):
                return None
        return arrived.pop(key)

    def _receive(self, deadline: Deadline) -> bool:
        """Take in what has come, waiting until the deadline; tell whether anything came."""
        self._socket.settimeout(max(deadline.left_s, 0.000_001))
        try:
            data = self._socket.recv(_READ_BYTES)
        except TimeoutError:
            return False
        except OSError as error:
            raise self.lost(error) from error
        if not data:
            raise self.lost("the server closed the connection")
        for message in self._stream.feed(data):
            self._dispatch(message)
        return True

    def _dispatch(self, message: Message) -> None:
        if message.command in _ANSWERS:
            self._answers[message.parameter_2] = message
        elif message.command == Command.EVENT_ADD:
            if message.parameter_2 in self._updates:
                self._updates[message.parameter_2].append(message)
        elif message.command in (Command.CREATE_CHAN, Command.CREATE_CH_FAIL):
            self._channels[message.parameter_1] = message
        elif message.command == Command.ACCESS_RIGHTS:
            self._rights[message.parameter_1] = message.parameter_2
        elif message.command == Command.SERVER_DISCONN:
            raise self.lost("the server has dropped the channel")
        elif message.command == Command.ERROR:
            error = requests.server_error(message)
            raise TransportError(f"the CA server at {self.address}:{self.port} refused a request: {error.text or error.status}")

    def lost(self, why: object) -> TransportError:
        """Return the error for a connection that is gone."""
        return TransportError(f"the CA connection to {self.address}:{self.port} is lost ({why}); see whether the IOC still runs")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return "nobody"
