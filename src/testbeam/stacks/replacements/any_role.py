"""Replacement of a service whose role has no rule of its own: its probe stays, since that asks the protocol."""

from dataclasses import replace
from pathlib import Path

from testbeam.errors import StackError
from testbeam.kit.spec import Service
from testbeam.stacks.replacements import paths


def local_build(service: Service, path: Path) -> Service:
    """Return the service run by the program at `path`, with nothing said to it.

    Raises:
        StackError: there is no such program.
    """
    return command(service, (str(paths.program(path, (), "the path of a program, or a whole command line by --command")),))


def command(service: Service, words: tuple[str, ...]) -> Service:
    """Return the service run by this whole command line; templates such as `${broker.kafka}` are filled in."""
    return replace(service, command=words, prepare=(), external=False)


def external(service: Service, where: str) -> Service:
    """Return the service as one that runs at HOST:PORT already.

    Raises:
        StackError: it has none or several endpoints, so that one address does not tell enough.
    """
    if len(service.endpoints) != 1:
        known = ", ".join(service.endpoints) or "none"
        raise StackError(f"service {service.name!r} has not one endpoint (but: {known}); declare it with external and its endpoints")
    host, port = paths.host_and_port(where)
    return paths.elsewhere(service, dict.fromkeys(service.endpoints, f"{host}:{port}"), service.ready)
