"""What does the forwarder remember of one stream between two updates?"""

from testbeam.model.forwarding import StreamSpec
from testbeam.model.samples import ConnectionState, Severity
from testbeam.model.updates import Form
from testbeam.services.forwarder.ages import NEVER_NS
from testbeam.services.forwarder.serialisers.seam import Serialise

Message = tuple[bytes, bytes, int]  # key, payload, Kafka timestamp in ms


class Topic:
    """Messages that wait to be handed to Kafka."""

    __slots__ = ("messages", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.messages: list[Message] = []

    def take(self) -> list[Message]:
        """Return what waits, in order, and wait for more."""
        taken, self.messages = self.messages, []
        return taken


class Stream:
    """One stream's state; `kind` and `serialise` are those of the last value, the times those of the last messages sent."""

    __slots__ = (
        "alarm",
        "alarm_ns",
        "connection",
        "connection_ns",
        "key",
        "kind",
        "last_ns",
        "number",
        "repeats",
        "serialise",
        "spec",
        "topic",
    )

    def __init__(self, number: int, spec: StreamSpec, topic: Topic) -> None:
        self.number = number
        self.spec = spec
        self.topic = topic
        self.key = spec.channel.encode()
        self.repeats = False
        self.kind: tuple[Form, str] | None = None
        self.serialise: Serialise = _not_yet
        self.last_ns = NEVER_NS
        self.alarm: tuple[Severity, str] | None = None
        self.alarm_ns = NEVER_NS
        self.connection = ConnectionState.NEVER_CONNECTED
        self.connection_ns = NEVER_NS

    def add(self, payload: bytes, timestamp_ms: int) -> None:
        """Add a message to those of the topic."""
        self.topic.messages.append((self.key, payload, timestamp_ms))


def _not_yet(_value: object, _timestamp_ns: int) -> bytes:
    raise AssertionError("the kind of value decides on the serialiser before its first use")
