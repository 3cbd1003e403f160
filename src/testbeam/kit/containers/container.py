"""Declaration of a service that runs in a container.

`docker run` stays in the foreground: it hands SIGTERM on to the container and ends with it. A SIGKILL would end only the client, so
the guard removes the container at its own end; one that even the guard could not remove is found by its label.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from testbeam.kit.containers import engine_commands
from testbeam.kit.containers.engine_commands import Container
from testbeam.kit.containers.handle import ContainerHandle
from testbeam.kit.spec import Port, Service


def run_argv(container: Container, ports: Iterable[Port] = (), arguments: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the words that run a container in the foreground; a port has the same number within as without."""
    published = [f"${{address}}:${{port.{port.name}}}:${{port.{port.name}}}" for port in ports] if container.network == "bridge" else []
    labels = {
        engine_commands.RUN_LABEL: "${run_id}",
        engine_commands.SERVICE_LABEL: "${name}",
        engine_commands.OWNER_LABEL: container.owner,
    }
    return (
        container.engine,
        *("run", "--rm", "--init", "--name", engine_commands.NAME),
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
        prepare=(*(() if has_image else (engine_commands.pull(container.engine, container.image),)), *fields.pop("prepare", ())),
        at_end=(engine_commands.remove(container.engine, engine_commands.NAME),),
        handle=fields.pop("handle", ContainerHandle),
        options={**fields.pop("options", {}), "container": container},
        **fields,
    )


def _each(flag: str, values: Iterable[str]) -> Iterable[str]:
    return (word for value in values for word in (flag, value))
