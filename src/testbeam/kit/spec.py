"""What a stack consists of: frozen declarations, apart from any run of them."""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from testbeam.errors import StackError
from testbeam.kit import graph, template
from testbeam.kit.handle import Handle
from testbeam.kit.seen import Seen

if TYPE_CHECKING:
    from testbeam.kit.journal import Subscriber
    from testbeam.kit.run import Run

__all__ = ["Port", "Probe", "Seen", "Service", "Stack"]


class Probe(Protocol):
    """Asks a service, in its own protocol, whether it can be used."""

    def check(self, service: Handle) -> Seen:
        """Look once, within about 1 s; an exception counts as "not ready" and is the last thing seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A TCP port that a run holds for a service, on the service's address; `fixed` asks for that very number.

    A held port is a bound, non-listening SO_REUSEADDR socket: the service must bind with SO_REUSEADDR, as Java, Python
    and EPICS do. `hold=False` lets go of it just before the spawn, for the rare service that does not.

    With `forwards_to`, another port of the service or a `host:port` template, the run itself listens on it and relays every
    connection there: whoever uses this port can be given a bad link, `run["name"].link(…)`.
    """

    name: str
    fixed: int | None = None
    hold: bool = True
    forwards_to: str = ""


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
    ready: Probe | None = None  # None: ready as soon as it is spawned
    ready_timeout_s: float = 30.0
    stop_signal: int = signal.SIGTERM
    stop_timeout_s: float = 10.0
    prepare: tuple[tuple[str, ...], ...] = ()  # run to their end, on the user's terminal, before anything is started
    at_end: tuple[tuple[str, ...], ...] = ()  # run by the guard at its own end, however that comes: removes what is no process of ours
    eager: bool = False  # spawned at once, and waits by itself for what it needs
    after_ready: Callable[[Handle], None] | None = None  # run once the probe has passed, before READY
    handle: type[Handle] = Handle
    options: Mapping[str, Any] = field(default_factory=dict)  # values of the role, for its probe, handle and after_ready
    external: bool = False  # runs already and is not ours: no command, only endpoints and a probe
    separate_stdout: bool = False  # stdout in <name>.stdout.log; else both streams, in order, in <name>.log
    configure: Callable[["Service", Mapping[str, Any]], "Service"] | None = None  # how the role takes ini=…, startup_command=…

    def __post_init__(self) -> None:
        graph.check_service(self)

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


@dataclass(frozen=True, slots=True, init=False)
class Stack:
    """Services that belong together; `needs` gives the order. One declaration serves tests, prompt and command line.

    Raises:
        StackError: a name is doubled, a need is unknown or goes in a circle, or a template asks for what is not there.
    """

    services: tuple[Service, ...]

    def __init__(self, *services: Service) -> None:
        object.__setattr__(self, "services", services)
        graph.check_stack(services)

    def run(
        self,
        folder: Path | str | None = None,
        *,
        keep: bool = False,
        on_event: "Subscriber | None" = None,
        on_crash: Callable[[Handle], None] | None = None,
    ) -> "Run":
        """Return a run of this stack: a context manager that starts every service on entry and stops all on exit.

        folder: where logs, files and the services' own folders go; default a temporary one, which is removed at the
        end unless `keep` is set or the run failed. on_event: called with each journal event, on_crash: with the handle
        of a service that ended unexpectedly after it was ready; both from a thread of the kit.
        """
        from testbeam.kit.run import Run  # late: declaring a stack costs no machinery

        return Run(self, folder=folder, keep=keep, on_event=on_event, on_crash=on_crash)
