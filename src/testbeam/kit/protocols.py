"""Protocols at the kit's seams: what faults, pages and plug-ins may ask of a service and of a run, here or attached to.

`Run`, `Handle` and `ActiveFaults` have them, and so have the ones of `testbeam.hosting` for a run that another process hosts; mypy
checks both. What a probe may ask of a service is `kit.spec.ServiceView`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from testbeam.errors import StackError
from testbeam.kit.journal import Event, Subscriber
from testbeam.kit.spec import CommandResult, ProbeResult, Reservation, Service, ServiceView
from testbeam.kit.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A short text under a title, gathered by a service's handle when a test has failed; `text` is shown as it is."""

    title: str
    text: str


class ProcessLike(Protocol):
    """The process of a service."""

    @property
    def pid(self) -> int | None:
        """Return its id; None before it is spawned."""

    @property
    def exit_code(self) -> int | None:
        """Return how it ended, negative for a signal; None while it runs."""

    def is_running(self) -> bool:
        """Return whether it was ordered and has not ended."""

    def wait_ended(self, timeout_s: float | None = None) -> bool:
        """Wait for its end; return False where the time was too short."""

    def ending(self) -> str:
        """Say in words how it ended."""


class AllocationLike(Reservation, Protocol):
    """What a handle asks of what is reserved for its service."""

    @property
    def stdout_path(self) -> Path:
        """Return where stdout goes."""


class LifecycleLike(Protocol):
    """The way of a service from declared to stopped, which its handle steers."""

    @property
    def service(self) -> Service:
        """Return the declaration."""

    @property
    def allocation(self) -> AllocationLike:
        """Return what is reserved for it."""

    @property
    def process(self) -> ProcessLike | None:
        """Return its process; None before it is spawned, or where it runs elsewhere."""

    @property
    def state(self) -> State:
        """Return where it is between its declaration and its end."""

    @property
    def error(self) -> StackError | None:
        """Return why it failed or crashed."""

    @property
    def ready_s(self) -> float | None:
        """Return when it was ready, in seconds since the start of the run."""

    @property
    def memory(self) -> dict[str, Any]:
        """Return what probes remember between two attempts."""

    @property
    def log_start(self) -> int:
        """Return the size of the log at this start, in bytes."""

    @property
    def last_seen(self) -> ProbeResult:
        """Return what its probe saw last."""

    def start(self, service: ServiceView) -> None:
        """Start it and wait until it is ready."""

    def stop(self, *, kill: bool = False) -> None:
        """Stop or kill it and wait until nothing of it is left."""

    def pause(self) -> None:
        """Stop its clock (SIGSTOP)."""

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""

    def send_signal(self, number: int) -> None:
        """Send a signal to it and all that descend from it."""

    def call(self, argv: Sequence[str], within_s: float) -> CommandResult:
        """Run a command in its folder and environment."""

    def expect_exit(self, change: int) -> None:
        """Allow (+1) or stop allowing (-1) that it ends."""


class HandleLike(ServiceView, Protocol):
    """What a fault, a page or a plug-in asks of a service."""

    @property
    def run(self) -> "RunLike":
        """Return the run that it belongs to."""

    @property
    def service(self) -> Service:
        """Return the declaration."""

    @property
    def state(self) -> State:
        """Return where it is between its declaration and its end."""

    @property
    def process(self) -> ProcessLike | None:
        """Return its process; None before it is spawned, or where it runs elsewhere."""

    @property
    def exit_code(self) -> int | None:
        """Return how the process ended; None while it runs."""

    @property
    def stdout_path(self) -> Path:
        """Return where stdout goes."""

    def start(self) -> None:
        """Start it and wait until it is ready."""

    def restart(self) -> None:
        """Stop and start it again."""

    def kill(self) -> None:
        """Kill it; that is no crash."""

    def pause(self) -> None:
        """Stop its clock (SIGSTOP)."""

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""

    def send_signal(self, number: int) -> None:
        """Send a signal to it and all that descend from it."""

    def fault(self, kind: str, **options: Any) -> Any:
        """Return a fault of it, by name, that is not begun yet."""

    def evidence(self, begin: Event) -> Sequence[Evidence]:
        """Return what it can say of the time since `begin`."""

    def begin_test(self) -> None:
        """Note what is there when a test begins."""

    def before_user(self, user: Service) -> None:
        """Prepare for a service that needs this one, and is about to start on the live run."""

    def end_test(self) -> None:
        """Undo what the test that has ended left open in it."""


class FaultsLike(Protocol):
    """The faults of a run: begun and ended in one place, noted, and none outlives the run."""

    @property
    def active(self) -> tuple[Any, ...]:
        """Return what is broken now, the oldest first."""

    def begin(self, fault: Any) -> None:
        """Begin a fault."""

    def end(self, fault: Any, why: str) -> None:
        """End a fault, if it is active."""

    def change(self, fault: Any, words: Mapping[str, Any]) -> None:
        """Change an active fault."""

    def counts(self, fault: Any) -> dict[str, int]:
        """Return what an active fault has counted."""


class JournalLike(Protocol):
    """The journal of a run."""

    @property
    def events(self) -> list[Event]:
        """Return all events so far."""

    def record(self, kind: str, service: str = "", **data: Any) -> Event:
        """Write one event; return it."""

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber` with each event from now on; return what ends that."""


class Declared(Protocol):
    """The declaration that a run was made from; a Stack is one."""

    @property
    def services(self) -> tuple[Service, ...]:
        """Return its services."""


H = TypeVar("H")


class RunLike(Protocol):
    """A running stack."""

    @property
    def id(self) -> str:
        """Return by which name processes of the run are marked."""

    @property
    def folder(self) -> Path:
        """Return where logs, files and the services' own folders are."""

    @property
    def stack(self) -> Declared:
        """Return what was declared."""

    @property
    def ready_s(self) -> float | None:
        """Return how long the start took, in seconds."""

    @property
    def guard_pid(self) -> int | None:
        """Return the pid of the guard process."""

    @property
    def journal(self) -> JournalLike:
        """Return what happened, when."""

    @property
    def faults(self) -> FaultsLike:
        """Return what is broken now."""

    @property
    def handles(self) -> Mapping[str, HandleLike]:
        """Return the handle of every service, by name."""

    @property
    def crashed(self) -> tuple[StackError, ...]:
        """Return an error for each unexpected end of a ready service."""

    def __getitem__(self, name: str) -> HandleLike:
        """Return the handle of a service."""

    def __contains__(self, name: object) -> bool:
        """Tell whether a service of this name is there."""

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the services."""

    def service(self, name: str, kind: type[H]) -> H:
        """Return the handle of a service, of a class that is asked for."""

    def check(self) -> None:
        """Raise the first of `crashed`."""

    def mark(self, label: str, **data: Any) -> Event:
        """Note a moment in the journal, with the size of every log."""

    def add(self, service: Service, **changes: Any) -> AbstractContextManager[Any]:
        """Start one more service for the block."""
