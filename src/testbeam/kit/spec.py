"""Frozen declaration of a service: its command line, ports, endpoints, needs and readiness probe, apart from any run of it."""

import re
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import inf
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Protocol, TypeAlias

from testbeam.errors import StackError
from testbeam.kit import graph, template

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
LEAST_LOG_BYTES = 1 << 20
_RESERVED = frozenset({"log", "config-files", "port"})
BUILT_IN = ("dir", "run_dir", "log_dir", "config_dir", "python", "name", "run_id", "address")


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The answer of a probe: whether the service is ready, and what was seen, in words for an error message."""

    ready: bool
    detail: str


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What came of a command; exit_code None where it took longer than it was allowed."""

    exit_code: int | None
    output: str


class Reservation(Protocol):
    """What is reserved for a service: folder, log, address, ports, and its templates filled in."""

    @property
    def folder(self) -> Path:
        """Return its own folder."""

    @property
    def log_path(self) -> Path:
        """Return where stderr, and stdout unless it is kept apart, goes."""

    @property
    def address(self) -> str:
        """Return its loopback address."""

    @property
    def ports(self) -> Mapping[str, int]:
        """Return the numbers of its ports, by name."""

    @property
    def endpoints(self) -> Mapping[str, str]:
        """Return where it can be reached."""

    def fill(self, text: str) -> str:
        """Return a template with its values."""

    def environment(self) -> dict[str, str]:
        """Return its whole environment."""


class ServiceView(Reservation, Protocol):
    """What a probe, or `after_ready`, may ask of a service; every handle has it, and `kit.protocols.HandleLike` is more of it."""

    @property
    def name(self) -> str:
        """Return the name within the run."""

    @property
    def options(self) -> Mapping[str, Any]:
        """Return what the role has declared for its own use."""

    @property
    def log_start(self) -> int:
        """Return the size of the log at this start, in bytes."""

    @property
    def memory(self) -> dict[str, Any]:
        """Return what probes remember between two attempts; emptied at each start."""

    @property
    def pid(self) -> int | None:
        """Return the process id; None before it is spawned, or where it runs elsewhere."""

    def is_running(self) -> bool:
        """Return whether the process is there; always True for a service that runs elsewhere."""

    def call(self, argv: Sequence[str], within_s: float = 10.0) -> CommandResult:
        """Run a command in its folder and environment; whatever that has started ends with it."""


class Probe(Protocol):
    """Asks a service, in its own protocol, whether it can be used.

    Besides, it may have `check_declared(declared: Declared)`, which raises StackError before anything is started for what it asks in vain.
    """

    def check(self, service: ServiceView) -> ProbeResult:
        """Ask once, within about 1 s; an exception counts as "not ready" and is the last thing seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a probe can ask of a service that is only declared.

    where: which probe of which service it is, for errors. ports, endpoints: the service's own, by name, these as templates. templates:
    each name that a template of the service may hold, with the endpoint that it stands for, empty where it is no endpoint.
    """

    where: str
    ports: tuple[str, ...]
    endpoints: Mapping[str, str]
    templates: Mapping[str, str]

    def check_templates(self, *texts: str) -> None:
        """Raise StackError for the first name that no template of the service may hold."""
        for text in texts:
            template.check(text, self.templates, self.where)

    def refusal(self, problem: str) -> StackError:
        """Return the error that says so of this probe."""
        return StackError(f"{self.where}: {problem}")


StopScope: TypeAlias = Literal["tree", "leader"]
Transport: TypeAlias = Literal["tcp", "udp", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port that a run holds for a service, on the service's address; `fixed` asks for that very number, `usual` for it if it is free.

    `transport`: "tcp", "udp", or "both" for a service that binds one number twice. UDP is looked at and not held: a search by broadcast
    is for every socket that shares the port.

    A held port is a bound, non-listening SO_REUSEADDR socket: the service must bind with SO_REUSEADDR, as Java, Python
    and EPICS do. `hold=False` lets go of it just before the spawn, for the rare service that does not.

    With `forwards_to`, another port of the service or a `host:port` template, the run itself listens on it and relays every
    connection there: whoever uses this port can be given a bad link, `run["name"].link(…)`.
    """

    name: str
    fixed: int | None = None
    hold: bool = True
    forwards_to: str = ""
    usual: int | None = None
    transport: Transport = "tcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One command line of a stack, with what it needs, where it can be reached and how its readiness is asked.

    Templates (see `template.py`) stand in command, prepare, at_end, env, files and endpoints: `${dir}` own folder, which is the working
    directory, `${run_dir}`, `${log_dir}`, `${config_dir}`, `${python}`, `${name}`, `${run_id}`, `${address}`, `${port.NAME}`, and
    `${OTHER.ENDPOINT}` of a service in `needs`.
    """

    name: str = field(kw_only=False)
    command: tuple[str, ...] = ()
    role: str = ""
    needs: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)  # path relative to the run's folder → text
    endpoints: Mapping[str, str] = field(default_factory=dict)
    own_address: bool = False  # lease a private 127.x.y.z, where the default ports of a protocol are free
    ready: Probe | None = None  # None: ready once it has come through its first moments (probes.ProcessAlive)
    ready_timeout_s: float = 30.0
    stop_signal: int = signal.SIGTERM
    stop_timeout_s: float = 10.0
    stop_scope: StopScope = "tree"  # whom the stop signal goes to: the process with all that descends from it, or only the "leader"
    once: bool = False  # a one-shot: ready when it has ended with code 0, failed with any other
    alive: Probe | None = None  # asked while it is ready: in vain for `alive_timeout_s`, the service counts as crashed
    alive_timeout_s: float = 10.0
    tty: bool = False  # runs on a pseudo-terminal, for a program that writes line by line only there
    log_limit_bytes: int = 0  # of its log only so many are kept on the disk, the newest; 0 for all
    prepare: tuple[tuple[str, ...], ...] = ()  # run to their end, on the user's terminal, before anything is started
    at_end: tuple[tuple[str, ...], ...] = ()  # run by the guard at its own end, however that comes: removes what is no process of ours
    after_ready: Callable[[Any], None] | None = None  # run once the probe has passed, before READY
    handle: type[ServiceView] | None = None  # a subclass of kit.handle.Handle; None for that itself
    options: Mapping[str, Any] = field(default_factory=dict)  # values of the role, for its probe, handle and after_ready
    external: bool = False  # runs already and is not ours: no command, only endpoints and a probe
    separate_stdout: bool = False  # stdout in <name>.stdout.log; else both streams, in order, in <name>.log
    configure: Callable[["Service", Mapping[str, Any]], "Service"] | None = None  # how the role takes ini=…, startup_command=…

    def __post_init__(self) -> None:
        check_service(self)

    def configured(self, **changes: Any) -> "Service":
        """Return this service otherwise configured: fields by their names, further words as the role understands them.

        Raises:
            StackError: a word is neither a field nor known to the role.
        """
        own = {item.name for item in fields(self)}
        plain = {word: value for word, value in changes.items() if word in own}
        further = {word: value for word, value in changes.items() if word not in own}
        service = replace(self, **plain)
        if not further:
            return service
        if self.configure is None:
            word = next(iter(further))
            raise StackError(f"service {self.name!r} can't be configured by {word!r}; {template.near(word, own)}")
        return self.configure(service, further)


def check_service(service: Service) -> None:
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
    _check_times(service)
    for path in service.files:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise StackError(f"service {name!r} file {path!r} lies outside the run's folder; give a path relative to it")


def _check_times(service: Service) -> None:
    if service.once and (service.external or service.ready is not None):
        raise StackError(f"service {service.name!r}: a one-shot service (once) is ready when it has ended; leave ready and external out")
    if service.log_limit_bytes and service.log_limit_bytes < LEAST_LOG_BYTES:
        raise StackError(f"service {service.name!r}: log_limit_bytes={service.log_limit_bytes} is too few; give at least {LEAST_LOG_BYTES}")
    for word in ("ready_timeout_s", "stop_timeout_s", "alive_timeout_s"):
        if not 0 <= getattr(service, word) < inf:
            raise StackError(f"service {service.name!r}: {word}={getattr(service, word)!r} can't be used; give a number of seconds")


def check_stack(services: Iterable[Service]) -> None:
    """Raise StackError for names, needs and templates that don't fit together."""
    by_name: dict[str, Service] = {}
    for service in services:
        if service.name in by_name:
            raise StackError(f"two services are called {service.name!r}; give one another name: service.configured(name=…)")
        by_name[service.name] = service
    for service in by_name.values():
        check_needs(service, by_name)
    graph.start_order({name: service.needs for name, service in by_name.items()}).prepare()
    for service in by_name.values():
        check_templates(service, by_name)
        check_probe(service, "ready", by_name)
        check_probe(service, "alive", by_name)


def check_needs(service: Service, by_name: Mapping[str, Service]) -> None:
    """Raise StackError for the first need that nobody is called by."""
    for need in service.needs:
        if need not in by_name:
            others = template.near(need, set(by_name) - {service.name}, "add it, or name one of: {}".format)
            raise StackError(f"service {service.name!r} needs {need!r}, which is not in the stack; {others}")


def check_templates(service: Service, by_name: Mapping[str, Service]) -> None:
    """Raise StackError for the first template that asks for what will not be there."""
    known = _known(service, by_name)
    for where, text in _templates(service):
        for name in template.names(text):
            other, dot, endpoint = name.partition(".")
            if dot and other in by_name and other not in service.needs and endpoint in by_name[other].endpoints:
                problem = f"${{{name}}} is the endpoint of a service that it does not need; add {other!r} to its needs"
                raise StackError(f"service {service.name!r} {where}: {problem}")
            if dot and other not in (*by_name, "port") and not template.meant(name, known):
                problem = f"${{{name}}} asks for a service {other!r}, which is not in the stack; add it, and name it in needs"
                raise StackError(f"service {service.name!r} {where}: {problem}")
        template.check(text, known, f"service {service.name!r} {where}")


def check_probe(service: Service, word: Literal["ready", "alive"], by_name: Mapping[str, Service]) -> None:
    """Raise StackError for what the service's probe would ask in vain, as far as the declaration tells."""
    check_declared = getattr(getattr(service, word), "check_declared", None)
    if check_declared is not None:
        ports = tuple(port.name for port in service.ports)
        templates = _known(service, by_name)
        check_declared(Declared(where=f"service {service.name!r} {word}", ports=ports, endpoints=service.endpoints, templates=templates))


def _known(service: Service, by_name: Mapping[str, Service]) -> dict[str, str]:
    """Return each name that a template of the service may hold, with the endpoint that it stands for."""
    own = (*BUILT_IN, *(f"port.{port.name}" for port in service.ports))
    others = {f"{need}.{name}": text for need in service.needs for name, text in by_name[need].endpoints.items()}
    return dict.fromkeys(own, "") | others


def _templates(service: Service) -> Iterable[tuple[str, str]]:
    yield from (("command", word) for word in service.command)
    yield from (("prepare", word) for argv in service.prepare for word in argv)
    yield from (("at_end", word) for argv in service.at_end for word in argv)
    yield from ((f"env {name}", value) for name, value in service.env.items())
    yield from ((f"file {path}", part) for path, text in service.files.items() for part in (path, text))
    yield from ((f"endpoint {name}", value) for name, value in service.endpoints.items())
    yield from ((f"port {port.name}", port.forwards_to) for port in service.ports)
