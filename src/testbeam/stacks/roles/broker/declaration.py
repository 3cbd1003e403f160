"""Apache Kafka as part of a stack: ours, a Kafka that is installed, or a broker that runs already."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from testbeam.errors import StackError
from testbeam.kafka_distribution.in_place import everything_in_place
from testbeam.kafka_distribution.options import LaunchOptions
from testbeam.kit.spec import Service
from testbeam.stacks import kafka_clients
from testbeam.stacks.roles.broker.handle import BrokerHandle, Declared, create_at_start, specs_of
from testbeam.stacks.roles.broker.ports import endpoints, ports
from testbeam.stacks.roles.broker.probes import ClusterAnswers, MetadataAnswers
from testbeam.wire.kafka.requests import TopicSpec

__all__ = ["BrokerHandle", "MetadataAnswers", "TopicSpec", "broker"]

PROGRAM = ("${python}", "-m", "testbeam.services.broker")
_PREPARE = "testbeam.stacks.roles.broker.prepare"


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
    specs = specs_of(topics)
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
