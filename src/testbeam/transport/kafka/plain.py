"""Plain-socket questions to a broker without TLS or SASL: whether it can be used; and its preparation for its first users."""

import socket
import time
from collections.abc import Callable, Iterable
from types import TracebackType

from testbeam.errors import TransportError
from testbeam.model.deadline import Deadline
from testbeam.model.time import MS_PER_S
from testbeam.wire.kafka import requests as wire
from testbeam.wire.kafka.requests import ClusterMetadata, TopicSpec

# As the broker would create it for the first group, which then waits for it: up to 1 s in a client's retries.
GROUP_OFFSETS = TopicSpec("__consumer_offsets", config={"cleanup.policy": "compact", "segment.bytes": "104857600"})
_GROUP = "testbeam"
_PAUSE_S = 0.01


class PlainConnection:
    """One connection to one broker, a question at a time; a context manager."""

    def __init__(self, bootstrap: str, timeout_s: float = 1.0) -> None:
        host, _, port = bootstrap.rpartition(":")
        self.bootstrap = bootstrap
        self._socket = socket.create_connection((host, int(port)), timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> "PlainConnection":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._socket.close()

    def ask(self, question: bytes) -> bytes:
        """Send a question and return the answer.

        Raises:
            OSError: the connection broke, or there was no answer in time.
            WireError: what answers is not a Kafka broker.
        """
        self._socket.sendall(question)
        return self._receive(wire.frame_length(self._receive(4)))

    def _receive(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._socket.recv(size - len(parts))
            if not part:
                raise ConnectionResetError("the broker closed the connection")
            parts += part
        return bytes(parts)

    def metadata(self) -> ClusterMetadata:
        """Return brokers and topics; raise as `ask`."""
        return wire.decode_metadata(self.ask(wire.encode_metadata()))


def ask_metadata(bootstrap: str, timeout_s: float = 1.0) -> ClusterMetadata:
    """Connect, ask for brokers and topics, and return the answer.

    Raises:
        OSError: nobody listens, or nobody answers in time: a stopped process still accepts.
        WireError: what answers is not a Kafka broker.
    """
    with PlainConnection(bootstrap, timeout_s) as connection:
        return connection.metadata()


def make_usable(bootstrap: str, topics: Iterable[TopicSpec], *, warm: bool = True, within_s: float = 10.0) -> None:
    """Create topics (those that are there are left as they are) and wait until all of them can be used.

    warm: also wait for what the first producer and the first consumer group need. A broker prepares that when it is first asked, and
    tells whoever asks to come again: a client does so after a second.

    Raises:
        TransportError: the broker refused a topic, or was not that far in time.
        OSError: the connection broke.
    """
    wanted = tuple(topics)
    deadline = Deadline(within_s)
    with PlainConnection(bootstrap, within_s) as connection:
        if warm:
            _producer_trouble(connection)  # the first question sets it going
        _wait(lambda: _create_trouble(connection, (*wanted, GROUP_OFFSETS) if warm else wanted, deadline), deadline, bootstrap)
        for trouble in (lambda: _without_leader(connection, wanted), *((_warmer(connection),) if warm else ())):
            _wait(trouble, deadline, bootstrap)


def _warmer(connection: PlainConnection) -> Callable[[], str]:
    return lambda: _group_trouble(connection) or _producer_trouble(connection)


def _create_trouble(connection: PlainConnection, topics: tuple[TopicSpec, ...], deadline: Deadline) -> str:
    """Create topics; return why they can't be created at this moment, nothing where they are there."""
    fenced = ""
    refused = wire.decode_create_topics(connection.ask(wire.encode_create_topics(topics, int(deadline.left_s * MS_PER_S))))
    for name, refusal in refused.items():
        if refusal.code == wire.INVALID_REPLICATION_FACTOR:
            fenced = f"topic {name!r} can't be created: {refusal.message}"
        elif refusal.code != wire.TOPIC_ALREADY_EXISTS:
            raise TransportError(f"topic {name!r} was not created on {connection.bootstrap}: {refusal.message}")
    return fenced


def _without_leader(connection: PlainConnection, topics: tuple[TopicSpec, ...]) -> str:
    usable = connection.metadata().topics
    waiting = [topic.name for topic in topics if not usable.get(topic.name)]
    return f"no leader yet for {', '.join(waiting)}" if waiting else ""


def _group_trouble(connection: PlainConnection) -> str:
    """Return why a consumer group could not start yet, or ""."""
    code = wire.decode_find_coordinator(connection.ask(wire.encode_find_coordinator(_GROUP)))
    if code == wire.NONE:
        code = wire.decode_offset_fetch(connection.ask(wire.encode_offset_fetch(_GROUP, GROUP_OFFSETS.name)))
    return _in_words(code, "consumer groups", connection)


def _producer_trouble(connection: PlainConnection) -> str:
    """Return why an idempotent producer could not start yet, or ""."""
    return _in_words(wire.decode_init_producer_id(connection.ask(wire.encode_init_producer_id())), "idempotent producers", connection)


def _in_words(code: int, who: str, connection: PlainConnection) -> str:
    if code == wire.NONE:
        return ""
    if code in wire.NOT_YET:
        return f"{who} can't be served yet (error code {code})"
    raise TransportError(f"{who} can't be served by {connection.bootstrap}: error code {code}")


def _wait(trouble: Callable[[], str], deadline: Deadline, bootstrap: str) -> None:
    while last := trouble():
        if deadline.passed:
            raise TransportError(f"{bootstrap}: {last}; is the machine overloaded?")
        time.sleep(_PAUSE_S)  # between two looks
