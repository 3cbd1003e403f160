"""Apache Kafka as part of a stack: ours, a Kafka that is installed, or a broker that runs already."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from testbeam.errors import StackError, TestbeamError
from testbeam.kafka_distribution.in_place import everything_in_place
from testbeam.kafka_distribution.options import LaunchOptions
from testbeam.kit.handle import Handle
from testbeam.kit.journal import Event, wall_ms
from testbeam.kit.probing import words_of
from testbeam.kit.protocols import Evidence
from testbeam.kit.spec import Port, ProbeResult, Service, ServiceView
from testbeam.stacks import kafka_clients
from testbeam.transport.kafka.plain import ask_metadata, make_usable
from testbeam.wire.kafka.requests import TopicSpec

if TYPE_CHECKING:
    from testbeam.clients.topics import TopicHandle, Topics
    from testbeam.kafkatools.measuring import Measurement
    from testbeam.transport.kafka.client import Kafka

__all__ = ["BrokerHandle", "MetadataAnswers", "TopicSpec", "broker"]

PROGRAM = ("${python}", "-m", "testbeam.services.broker")
_PREPARE = "testbeam.stacks.roles.broker.prepare"

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
        _create(self, _specs(topics))

    def before_user(self, user: Service) -> None:
        """Create the topics of a service that joins the run; raise as `create_topics`."""
        if topics := _specs(user.options.get("topics", ())):
            _create(self, topics)

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


@dataclass(frozen=True, slots=True)
class MetadataAnswers:
    """Ready when the broker answers a metadata request with itself in it: a stopped one still accepts connections.

    A look lasts until the answer, for at most `look_s`: Kafka listens only when it can answer, and is then seen within 5 ms.
    """

    look_s: float = 0.5
    pause_s: float = 0.005

    def check(self, service: ServiceView) -> ProbeResult:
        """Ask until there is an answer, the service has ended, or the look is over."""
        end_s = monotonic() + self.look_s
        while True:
            seen = _ask(service.endpoints["kafka"])
            if seen.ready or monotonic() > end_s or not service.is_running():
                return seen
            sleep(self.pause_s)


@dataclass(frozen=True, slots=True)
class ClusterAnswers:
    """Ready when a cluster that runs elsewhere answers our client, with the log-in and certificates that it asks for."""

    look_s: float = 0.5

    def check(self, service: ServiceView) -> ProbeResult:
        """Ask once, with a client that is kept for the next look."""
        from confluent_kafka import KafkaException  # late: our own broker is asked without

        memory = service.memory
        if "cluster" not in memory:
            memory["trouble"] = trouble = list[str]()
            memory["cluster"] = kafka_clients.kafka_of_broker(service, error_cb=lambda error: trouble.append(error.str())).admin()
        try:
            found = memory["cluster"].list_topics(timeout=self.look_s)
        except KafkaException as error:
            memory["cluster"].poll(0)  # hands over what the client says of it: a log-in that is refused, a certificate
            said = [one for one in memory["trouble"] if "brokers are down" not in one] or [error.args[0].str()]
            return ProbeResult(ready=False, detail=f"{service.endpoints['kafka']}: {said[-1]}")
        return ProbeResult(ready=True, detail=f"{len(found.brokers)} broker(s) answer, with {len(found.topics)} topics")


def broker(
    *,
    name: str = "broker",
    topics: Iterable[Declared] = (),
    kafka_home: Path | str | None = None,
    java_home: Path | str | None = None,
    bootstrap: str | None = None,
    faultable: bool = False,
    properties: Mapping[str, str] | None = None,
    heap_mb: int = LaunchOptions.heap_mb,
    container: str | None = None,
    port: int | None = None,
    own_address: bool = False,
    client_options: Mapping[str, str] | None = None,
    client_config: Path | str | None = None,
) -> Service:
    """Return a single-node Apache Kafka with these topics; its endpoint is `kafka`.

    kafka_home: run that Kafka instead of the pinned one (default: KAFKA_HOME). java_home: on that Java. bootstrap: use the
    broker that runs at `host:port` instead. faultable: a second listener that is reached only through a proxy on
    `ports["proxy"]`, which forwards to `ports["proxied"]`. properties: Kafka's broker configuration, over ours. container: run this
    image, such as apache/kafka:4.3.1, on Docker or Podman instead; its data end with the container. port: this very port, for software that
    has one built in (default: a free one). own_address: a loopback address of its own, where the port is free, instead of 127.0.0.1.
    client_options, client_config: log-in and certificates that the broker at `bootstrap` asks for, by librdkafka's names, or a file
    of them, key=value a line; our clients and services get them, a build of somebody else's finds them in the run's folder as
    `${config_dir}/NAME-client.properties`.

    Raises:
        StackError: `bootstrap` is not HOST:PORT, or no container engine answers.
        SettingsError: `kafka_home` holds no Kafka, there is no Java, or `client_config` can't be read.
    """
    specs = _specs(topics)
    if bootstrap:
        return _external(name, bootstrap, specs, kafka_clients.read(client_config, client_options))
    if container:
        from testbeam.stacks.roles.broker.container import broker_in_container  # late: few stacks have one

        return broker_in_container(container, name=name, topics=specs, faultable=faultable, properties=properties or {}, heap_mb=heap_mb)
    launch = {
        "kafka-home": str(kafka_home or os.environ.get("KAFKA_HOME", "")),
        "java-home": str(java_home or (os.environ.get("JAVA_HOME", "") if kafka_home or os.environ.get("KAFKA_HOME") else "")),
        "cache-folder": os.environ.get("TESTBEAM_CACHE", ""),
    }
    found = [word for option, value in launch.items() if value for word in (f"--{option}", value)]
    return Service(
        name,
        role="broker",
        command=(*PROGRAM, *_listening(faultable), *found, *_tuning(properties, heap_mb)),
        prepare=() if _is_prepared(launch) else (("${python}", "-m", _PREPARE, *found),),
        ports=ports(faultable=faultable, fixed=port),
        own_address=own_address,
        endpoints=endpoints(faultable=faultable),
        ready=MetadataAnswers(),
        ready_timeout_s=60.0,  # a slow machine without a start-up cache; an early death is seen at once all the same
        after_ready=create_at_start,
        handle=BrokerHandle,
        options={"topics": specs},
    )


def ports(*, faultable: bool, fixed: int | None = None) -> tuple[Port, ...]:
    """Return the ports of a broker of ours; `fixed` is that of its clients."""
    own = (Port(name="plain", fixed=fixed), Port(name="controller"), *((Port(name="proxied"),) if faultable else ()))
    return (*own, *((Port(name="proxy", forwards_to="proxied"),) if faultable else ()))


def endpoints(*, faultable: bool) -> dict[str, str]:
    """Return where clients reach it: directly, and through the proxy of a faultable one."""
    return {"kafka": "${address}:${port.plain}"} | ({"proxied": "${address}:${port.proxy}"} if faultable else {})


def _external(name: str, bootstrap: str, topics: tuple[TopicSpec, ...], options: Mapping[str, str]) -> Service:
    host, _, port = bootstrap.partition(",")[0].rpartition(":")
    if not host or not port.isdecimal():
        raise StackError(f"bootstrap {bootstrap!r} is not HOST:PORT of a Kafka broker, such as localhost:9092")
    return Service(
        name,
        role="broker",
        external=True,
        endpoints={"kafka": bootstrap},
        files=kafka_clients.files(options),
        ready=ClusterAnswers(),
        after_ready=create_at_start,
        handle=BrokerHandle,
        options={"topics": topics},
    )


def _listening(faultable: bool) -> tuple[str, ...]:
    ports = ("--plain-port", "${port.plain}", "--controller-port", "${port.controller}")
    proxied = ("--proxied-port", "${port.proxied}", "--proxy-port", "${port.proxy}") if faultable else ()
    return ("--folder", "${dir}", "--address", "${address}", *ports, *proxied)


def _tuning(properties: Mapping[str, str] | None, heap_mb: int) -> tuple[str, ...]:
    own = tuple(word for key, value in (properties or {}).items() for word in ("--property", f"{key}={value}"))
    return ("--heap-mb", str(heap_mb), *own) if heap_mb != LaunchOptions.heap_mb else own


def _is_prepared(launch: Mapping[str, str]) -> bool:
    options = LaunchOptions(**{option.replace("-", "_"): value for option, value in launch.items()})
    return everything_in_place(options) is not None


def _specs(topics: Iterable[Declared]) -> tuple[TopicSpec, ...]:
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
    declared = (*broker.options["topics"], *(topic for user in users for topic in _specs(user.options.get("topics", ()))))
    return tuple({topic.name: topic for topic in reversed(declared)}.values())[::-1]


def _create(handle: Handle, topics: tuple[TopicSpec, ...], *, warm: bool = False) -> None:
    if handle.service.external:
        from testbeam.transport.kafka.client import create_topics  # a cluster of several brokers needs a whole client

        kafka = kafka_clients.kafka_of_broker(handle)
        for topic in topics:
            create_topics(kafka, {topic.name: topic.partitions}, config=topic.config)
    else:
        make_usable(handle.endpoints["kafka"], topics, warm=warm)


def _ask(bootstrap: str) -> ProbeResult:
    trouble = ""
    for address in bootstrap.split(","):
        try:
            found = ask_metadata(address)
        except Exception as error:  # shown as the last thing seen, whatever it is
            trouble = f"{address}: {words_of(error)}"
            continue
        if found.brokers:
            return ProbeResult(ready=True, detail=f"{address} answers for {len(found.brokers)} broker(s) and {len(found.topics)} topics")
        trouble = f"{address} answers, but knows no broker yet"
    return ProbeResult(ready=False, detail=trouble)
