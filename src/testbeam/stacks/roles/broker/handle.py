"""Handle of a running broker: its topics, those it creates when it starts, and what a failed test's page shows of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from testbeam.errors import TestbeamError, TransportError
from testbeam.kit.handle import Handle
from testbeam.kit.journal import Event, wall_ms
from testbeam.kit.protocols import Evidence
from testbeam.kit.spec import Service
from testbeam.stacks import kafka_clients
from testbeam.transport.kafka.plain import make_usable
from testbeam.wire.kafka.requests import TopicSpec

if TYPE_CHECKING:
    from testbeam.clients.topics import TopicHandle, Topics
    from testbeam.kafkatools.measuring import Measurement
    from testbeam.transport.kafka.client import Kafka

_TRANSCRIPT_MOST = 200  # messages of a topic that a failure's page shows
_SMALL = 2000  # a topic with no more messages is shown from its beginning: a value may bear a time from before the test
_TRANSCRIPT_S = 3.0

Declared = TopicSpec | str | Mapping[str, int]


class BrokerHandle(Handle):
    """A running broker, and what is on its topics."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._topics: Topics | None = None

    @property
    def bootstrap(self) -> str:
        """Return `host:port` for clients."""
        return self.endpoints["kafka"]

    @property
    def kafka(self) -> "Kafka":
        """Return the cluster as the clients of this package take it."""
        return self._clients().kafka

    def topic(self, name: str) -> "TopicHandle":
        """Return a topic that is on the broker.

        Raises:
            TopicMissing: it is not; near names are given.
        """
        return self._clients().handle(name)

    def topics(self) -> tuple[str, ...]:
        """Return the names of all topics but Kafka's own."""
        return self._clients().names()

    def create_topics(self, *topics: Declared) -> None:
        """Create topics, by name, `{name: partitions}`, or TopicSpec; those that are there are left as they are.

        Raises:
            TransportError: the broker refuses one; says why.
        """
        _create(self, specs_of(topics))

    def before_user(self, user: Service) -> None:
        """Create the topics of a service that joins the run; raise as `create_topics`."""
        topics = specs_of(user.options.get("topics", ()))
        try:
            if topics:
                _create(self, topics)
        except OSError as error:
            where = f"broker {self.name!r} at {self.endpoints['kafka']}"
            raise TransportError(f"{where} has not made the topics of {user.name!r}: {error.strerror or error}; is it up?") from error

    def measure(self, topic: "TopicHandle | str", for_s: float = 10.0, **how: Any) -> "Measurement":
        """Return rate, latency and lag of a topic, and what every service uses meanwhile; see `kafkatools.measure.measure` for `how`.

        Raises:
            TopicMissing: the topic is not on the broker.
        """
        from testbeam.kafkatools.measuring import measure  # late: it brings numpy

        processes = {name: handle.pid for name, handle in self.run.handles.items() if handle.pid is not None}
        return measure(self.kafka, topic if isinstance(topic, str) else topic.name, for_s, **{"processes": processes, **how})

    def evidence(self, begin: Event) -> Sequence[Evidence]:
        """Return, of each topic that was asked for, its offsets and what came on it since `begin`."""
        since_ms = wall_ms(begin)
        return [_transcript(topic, since_ms) for topic in (self._topics.asked() if self._topics else ())]

    def close(self) -> None:
        """Leave the broker; called at the end of the run."""
        if self._topics is not None:
            self._topics.close()
            self._topics = None

    def _clients(self) -> "Topics":
        if self._topics is None:
            from testbeam.clients.topics import Topics  # late: the client library is 70 ms of a start that may not need it

            self._topics = Topics(kafka_clients.kafka_of_broker(self))
        return self._topics


def _transcript(topic: "TopicHandle", since_ms: int) -> Evidence:
    try:
        offsets = ", ".join(f"partition {p}: {low} to {high}" for p, (low, high) in topic.watermarks().items())
        records = topic.messages(None if topic.count() <= _SMALL else since_ms, within_s=_TRANSCRIPT_S)
    except TestbeamError as error:
        return Evidence(title=f"topic {topic.name}", text=str(error))
    left = len(records) - _TRANSCRIPT_MOST
    lines = [offsets, *([f"… {left} more before these"] if left > 0 else []), *map(str, records[-_TRANSCRIPT_MOST:])]
    return Evidence(title=f"topic {topic.name}: {len(records)} messages", text="\n".join(lines))


def specs_of(topics: Iterable[Declared]) -> tuple[TopicSpec, ...]:
    """Return topics as they are created, from names, `{name: partitions}` or TopicSpec."""
    specs: list[TopicSpec] = []
    for topic in topics:
        if isinstance(topic, Mapping):
            specs += [TopicSpec(name, partitions=partitions) for name, partitions in topic.items()]
        else:
            specs.append(TopicSpec(topic) if isinstance(topic, str) else topic)
    return tuple(specs)


def create_at_start(handle: Handle) -> None:
    """Create the topics that are declared here or by services that need this broker; warm up what a first consumer group waits for."""
    users = (other.service for other in handle.run.handles.values() if handle.name in other.service.needs)
    _create(handle, topics_of(handle.service, users), warm=True)


def topics_of(broker: Service, users: Iterable[Service]) -> tuple[TopicSpec, ...]:
    """Return the topics that a broker creates: what it declares itself comes before what a service says of a topic of that name."""
    declared = (*broker.options["topics"], *(topic for user in users for topic in specs_of(user.options.get("topics", ()))))
    return tuple({topic.name: topic for topic in reversed(declared)}.values())[::-1]


def _create(handle: Handle, topics: tuple[TopicSpec, ...], *, warm: bool = False) -> None:
    if handle.service.external:
        from testbeam.transport.kafka.client import create_topics  # a cluster of several brokers needs a whole client

        kafka = kafka_clients.kafka_of_broker(handle)
        for topic in topics:
            create_topics(kafka, {topic.name: topic.partitions}, config=topic.config)
    else:
        make_usable(handle.endpoints["kafka"], topics, warm=warm)
