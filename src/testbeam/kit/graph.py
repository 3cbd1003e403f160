"""Whether a declaration makes sense, and who must be up before whom."""

import re
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from testbeam.errors import StackError
from testbeam.kit import template

if TYPE_CHECKING:
    from testbeam.kit.spec import Service

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_RESERVED = frozenset({"log", "config-files", "port"})
BUILT_IN = ("dir", "run_dir", "log_dir", "config_dir", "python", "name", "run_id", "address")


def check_service(service: "Service") -> None:
    """Raise StackError for what is wrong within one service, whatever stack it is in."""
    name = service.name
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise StackError(
            f"service name {name!r} can't be used; give letters, digits, '-' and '_', other than {', '.join(sorted(_RESERVED))}"
        )
    if service.external == bool(service.command):
        way_out = (
            "an external service runs already: leave command out"
            if service.external
            else "give command=(…), or external=True if it runs already"
        )
        raise StackError(f"service {name!r} has {'a' if service.command else 'an empty'} command; {way_out}")
    if not all(isinstance(word, str) for argv in (service.command, *service.prepare, *service.at_end) for word in argv):
        raise StackError(f"service {name!r}: every word of a command must be text; got {service.command!r}")
    ports = [port.name for port in service.ports]
    if len(set(ports)) < len(ports):
        raise StackError(f"service {name!r} declares a port twice: {', '.join(ports)}; give each its own name")
    for port in service.ports:
        if port.forwards_to and (port.forwards_to == port.name or (port.forwards_to not in ports and ":" not in port.forwards_to)):
            raise StackError(f"service {name!r} port {port.name!r} forwards to {port.forwards_to!r}; give another port of it, or HOST:PORT")
    for path in service.files:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise StackError(f"service {name!r} file {path!r} lies outside the run's folder; give a path relative to it")


def check_stack(services: Iterable["Service"]) -> None:
    """Raise StackError for names, needs and templates that don't fit together."""
    by_name: dict[str, Service] = {}
    for service in services:
        if service.name in by_name:
            raise StackError(f"two services are called {service.name!r}; give one another name: service.configured(name=…)")
        by_name[service.name] = service
    for service in by_name.values():
        check_needs(service, by_name)
    start_order(by_name.values()).prepare()
    for service in by_name.values():
        check_templates(service, by_name)


def check_needs(service: "Service", by_name: Mapping[str, "Service"]) -> None:
    """Raise StackError for the first need that nobody is called by."""
    for need in service.needs:
        if need not in by_name:
            raise StackError(
                f"service {service.name!r} needs {need!r}, which is not in the stack; {template.near(need, set(by_name) - {service.name})}"
            )


def start_order(services: Iterable["Service"]) -> "Order":
    """Return the order in which services come up: each after all that it needs."""
    return Order({service.name: service.needs for service in services})


def stop_order(services: Iterable["Service"]) -> "Order":
    """Return the order in which services go down: each after all that need it."""
    services = tuple(services)
    return Order({service.name: tuple(other.name for other in services if service.name in other.needs) for service in services})


class Order(TopologicalSorter[str]):
    """A topological order whose cycle is reported by name."""

    def prepare(self) -> None:
        """Fix the graph.

        Raises:
            StackError: the needs go in a circle.
        """
        try:
            super().prepare()
        except CycleError as error:
            circle = " → ".join(reversed(error.args[1]))
            raise StackError(f"the needs go in a circle: {circle}; take one of them out") from None


def check_templates(service: "Service", by_name: Mapping[str, "Service"]) -> None:
    """Raise StackError for the first template that asks for what will not be there."""
    own = (*BUILT_IN, *(f"port.{port.name}" for port in service.ports))
    others = tuple(f"{need}.{endpoint}" for need in service.needs for endpoint in by_name[need].endpoints)
    for where, text in _templates(service):
        for name in template.names(text):
            other, dot, endpoint = name.partition(".")
            if dot and other in by_name and other not in service.needs and endpoint in by_name[other].endpoints:
                problem = f"${{{name}}} is the endpoint of a service that it does not need; add needs=({other!r},)"
                raise StackError(f"service {service.name!r} {where}: {problem}")
        template.check(text, (*own, *others), f"service {service.name!r} {where}")


def _templates(service: "Service") -> Iterable[tuple[str, str]]:
    yield from (("command", word) for word in service.command)
    yield from (("prepare", word) for argv in service.prepare for word in argv)
    yield from (("at_end", word) for argv in service.at_end for word in argv)
    yield from ((f"env {name}", value) for name, value in service.env.items())
    yield from ((f"file {path}", part) for path, text in service.files.items() for part in (path, text))
    yield from ((f"endpoint {name}", value) for name, value in service.endpoints.items())
    yield from ((f"port {port.name}", port.forwards_to) for port in service.ports)
