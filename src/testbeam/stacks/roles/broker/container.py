"""Apache Kafka in a container as part of a stack.

Source: the usage guide of the image apache/kafka: a property is the variable `KAFKA_` and its name, `.` as `_`, `_` as `__`, `-` as `___`.
"""

from collections.abc import Mapping

from testbeam.kafka_distribution.options import LaunchOptions
from testbeam.kafka_distribution.properties import server_properties
from testbeam.kit.containers import engine
from testbeam.kit.containers.container import in_container
from testbeam.kit.containers.engine_commands import Container
from testbeam.kit.containers.handle import InContainer
from testbeam.kit.spec import Service
from testbeam.stacks.roles.broker.handle import BrokerHandle, create_at_start
from testbeam.stacks.roles.broker.ports import endpoints, ports
from testbeam.stacks.roles.broker.probes import MetadataAnswers
from testbeam.wire.kafka.requests import TopicSpec

_CONTROLLER_PORT = 29093  # within the container, where nobody else listens
_CLUSTER_ID = "dGVzdGJlYW0tY2x1c3Rlcg"  # any will do; one for all, so that equal declarations are equal
_LEFT_TO_THE_IMAGE = ("log.dirs", "metric.reporters")


class ContainerBrokerHandle(InContainer, BrokerHandle):
    """A running broker in a container."""


def broker_in_container(
    image: str, *, name: str, topics: tuple[TopicSpec, ...], faultable: bool, properties: Mapping[str, str], heap_mb: int
) -> Service:
    """Return a single-node Kafka in a container of the engine that answers, configured as our own.

    Raises:
        StackError: no engine answers; names the ways out.
    """
    found = engine.find()
    env = variables(faultable=faultable, properties=properties, heap_mb=heap_mb)
    container = Container(image=image, engine=found, env=env)
    return of_container(container, name=name, topics=topics, faultable=faultable, has_image=engine.has_image(found, image))


def of_container(container: Container, *, name: str, topics: tuple[TopicSpec, ...], faultable: bool, has_image: bool) -> Service:
    """Return the broker that a container with Kafka's variables makes."""
    return in_container(
        name,
        container,
        ports=tuple(port for port in ports(faultable=faultable) if port.name != "controller"),
        publish=("plain", "proxied"),  # the proxy's port is for the proxy
        has_image=has_image,
        role="broker",
        endpoints=endpoints(faultable=faultable),
        ready=MetadataAnswers(),
        ready_timeout_s=120.0,
        after_ready=create_at_start,
        handle=ContainerBrokerHandle,
        options={"topics": topics},
    )


def variables(*, faultable: bool, properties: Mapping[str, str], heap_mb: int) -> dict[str, str]:
    """Return the variables that configure the image; ports are templates, the same within as without."""
    own = _properties(faultable, properties)
    return {
        **{variable(key): value for key, value in own.items() if key not in _LEFT_TO_THE_IMAGE or key in properties},
        "CLUSTER_ID": _CLUSTER_ID,
        "KAFKA_HEAP_OPTS": f"-Xmx{heap_mb}m",
    }


def variable(key: str) -> str:
    """Return the variable of a property."""
    written = {".": "_", "_": "__", "-": "___"}
    return "KAFKA_" + "".join(written.get(letter, letter) for letter in key).upper()


def _properties(faultable: bool, properties: Mapping[str, str]) -> dict[str, str]:
    """Return our configuration of a single node, listening on every address of the container, which has its own network."""
    options = LaunchOptions(
        address="${address}",
        plain_port="${port.plain}",
        proxied_port="${port.proxied}" if faultable else 0,
        proxy_port="${port.proxy}" if faultable else 0,
        property=tuple(f"{key}={value}" for key, value in properties.items()),
    )
    ours = dict(line.split("=", 1) for line in server_properties(options, "-").splitlines())
    listening = ["PLAIN://0.0.0.0:${port.plain}", f"CONTROLLER://127.0.0.1:{_CONTROLLER_PORT}"]
    within = {
        "listeners": ",".join([*listening, *(["PROXIED://0.0.0.0:${port.proxied}"] if faultable else [])]),
        "controller.quorum.voters": f"1@127.0.0.1:{_CONTROLLER_PORT}",
    }
    return ours | within | dict(properties)
