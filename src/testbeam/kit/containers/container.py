"""Which command line runs a service in a container, and how the service is then declared.

`docker run` stays in the foreground: it hands SIGTERM on to the container and ends with it. A SIGKILL would end only the client, so
the guard removes the container at its own end; one that even the guard could not remove is found by its label.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from testbeam.errors import StackError
from testbeam.kit.containers import words
from testbeam.kit.containers.handle import ContainerHandle
from testbeam.kit.spec import Port, Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """An image and how it is run.

    engine: the program, `docker` or `podman`, or its path. network: `bridge` publishes the service's ports on its loopback address;
    `host` shares the machine's network, for a service that has to reach others of the stack. volumes: `HOST:CONTAINER[:ro]`.
    user: `UID:GID`. options: further words for `run`.
    """

    image: str
    engine: str = "docker"
    network: Literal["bridge", "host"] = "bridge"
    env: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[str, ...] = ()
    user: str = ""
    options: tuple[str, ...] = ()
    owner: str = field(default_factory=words.owner)

    def __post_init__(self) -> None:
        if not self.image or self.image.startswith("-") or any(c.isspace() for c in self.image):
            raise StackError(f"container image {self.image!r} is no name of an image, such as apache/kafka:4.3.1")


def run_argv(container: Container, ports: Iterable[Port] = (), arguments: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the words that run a container in the foreground; a port has the same number within as without."""
    published = [f"${{address}}:${{port.{port.name}}}:${{port.{port.name}}}" for port in ports] if container.network == "bridge" else []
    labels = {words.RUN_LABEL: "${run_id}", words.SERVICE_LABEL: "${name}", words.OWNER_LABEL: container.owner}
    return (
        container.engine,
        *("run", "--rm", "--init", "--name", words.NAME),
        *_each("--label", (f"{name}={value}" for name, value in labels.items())),
        *(("--network", "host") if container.network == "host" else ()),
        *_each("-p", published),
        *_each("-e", (f"{name}={value}" for name, value in container.env.items())),
        *_each("-v", container.volumes),
        *(("--user", container.user) if container.user else ()),
        *container.options,
        container.image,
        *arguments,
    )


def in_container(
    name: str,
    container: Container,
    *,
    arguments: Iterable[str] = (),
    ports: tuple[Port, ...] = (),
    publish: Iterable[str] | None = None,
    has_image: bool = True,
    **fields: Any,
) -> Service:
    """Return a service that runs in a container; `fields` are those of a Service.

    arguments: what follows the image. publish: names of the ports that the container listens on; default all. has_image: False
    pulls the image before the run starts, and before anything else in `prepare`, on the user's terminal.
    """
    published = tuple(port for port in ports if publish is None or port.name in publish)
    return Service(
        name,
        command=run_argv(container, published, arguments),
        # The engine binds what it publishes by itself, perhaps without SO_REUSEADDR.
        ports=tuple(replace(port, hold=False) if port in published else port for port in ports),
        prepare=(*(() if has_image else (words.pull(container.engine, container.image),)), *fields.pop("prepare", ())),
        at_end=(words.remove(container.engine, words.NAME),),
        handle=fields.pop("handle", ContainerHandle),
        options={**fields.pop("options", {}), "container": container},
        **fields,
    )


def _each(flag: str, values: Iterable[str]) -> Iterable[str]:
    return (word for value in values for word in (flag, value))
