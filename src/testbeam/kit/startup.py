"""Start and stop of the services of a run: preparing commands, parallel start in the order of needs, parallel stop in the opposite one."""

import shlex
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from queue import Empty, SimpleQueue

from testbeam.errors import StackError
from testbeam.kit import graph, interrupts
from testbeam.kit.guard_client import CommandLine, GuardClient, Process, why_not_spawned
from testbeam.kit.journal import Journal
from testbeam.kit.lifecycle import Cancelled
from testbeam.kit.members import Allocation, Member
from testbeam.model.deadline import Deadline

MARGIN_S = 15.0  # beyond a service's own time-out: the guard's time for SIGKILL, and some


@dataclass(frozen=True, slots=True)
class StartEvent:
    """A service is ready, or the reason for which the start fails; `service` is empty for a reason that is none's."""

    service: str
    error: BaseException | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopEvent:
    """Nothing is left of the service `gone`, or what is left of all is to be killed now, whatever the order."""

    gone: str = ""
    kill_now: bool = False


KILL_NOW = StopEvent(kill_now=True)


def prepare(allocations: Iterable[Allocation], guard: GuardClient, journal: Journal, events: "SimpleQueue[StartEvent]") -> None:
    """Run every preparing command to its end, on the user's terminal; they die with the runner like any service.

    Raises:
        StackError: one can't be spawned or fails.
    """
    for allocation in allocations:
        for line in allocation.prepare_lines():
            _run(allocation.service.name, line, guard, events)
            journal.record("prepared", allocation.service.name, command=shlex.join(line.argv))


def _run(name: str, line: CommandLine, guard: GuardClient, events: "SimpleQueue[StartEvent]") -> None:
    process = guard.spawn(line, lambda _, what: events.put(StartEvent(name)) if what == "ended" else None)
    event = interrupts.get(events)
    if event.error is not None:  # Ctrl-C, or the guard died
        raise event.error
    if process.exit_code != 0:
        raise StackError(f"service {name!r} could not be prepared: {_why(process, line)}")


def _why(process: Process, line: CommandLine) -> str:
    if process.refusal is not None:
        return why_not_spawned(process.refusal, line)
    return f"{shlex.join(line.argv)} {process.ending()}; its words are above; run it by hand"


class StartUp:
    """Start of several services in parallel, each as soon as what it needs is ready; a thread each, only while it starts."""

    def __init__(self, members: Mapping[str, Member], events: "SimpleQueue[StartEvent]") -> None:
        self._members = members
        self._events = events
        self._threads: list[threading.Thread] = []

    def run(self) -> None:
        """Start all and return when all are ready; raise the first error there is, from wherever it comes."""
        needs = {name: [need for need in member.service.needs if need in self._members] for name, member in self._members.items()}
        order = graph.start_order(needs)
        order.prepare()
        self._spawn(order.get_ready())
        while order.is_active():
            event = interrupts.get(self._events)
            if event.error is not None:
                raise event.error
            order.done(event.service)
            self._spawn(order.get_ready())

    def _spawn(self, names: tuple[str, ...]) -> None:
        for name in names:
            self._members[name].lifecycle.spawn()
        for name in names:
            thread = threading.Thread(target=self._wait_ready, args=(name,), name=f"testbeam-start-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _wait_ready(self, name: str) -> None:
        try:
            self._members[name].lifecycle.become_ready(self._members[name].handle)
        except Cancelled:
            return
        except BaseException as error:  # carried to the thread that started this one
            self._events.put(StartEvent(name, error))
        else:
            self._events.put(StartEvent(name))

    def cancel(self) -> None:
        """Let every wait for readiness end."""
        for member in self._members.values():
            member.lifecycle.cancel()

    def join(self, timeout_s: float) -> list[str]:
        """Wait for the threads; return the names of those in which a probe or an after_ready does not return."""
        deadline = Deadline(timeout_s)
        for thread in self._threads:
            thread.join(deadline.left_s)
        return [thread.name for thread in self._threads if thread.is_alive()]


def stop_all(members: Mapping[str, Member], events: "SimpleQueue[StopEvent]", at_most_s: float = inf) -> list[str]:
    """Stop all, in parallel, each after all that need it; return those of which something may be left (their guard must end them).

    at_most_s: bounds the time that each has until it is killed.
    KILL_NOW on `events` (as Ctrl-C puts it there) has everything killed, whatever the order.
    """
    order = graph.stop_order({name: member.service.needs for name, member in members.items()})
    order.prepare()
    longest_s = min(max((member.service.stop_timeout_s for member in members.values()), default=0.0), at_most_s)
    stopping: set[str] = set()
    while order.is_active():
        for name in order.get_ready():
            stopping.add(name)
            members[name].lifecycle.begin_stop(lambda gone: events.put(StopEvent(gone=gone)), at_most_s)
        try:
            event = interrupts.get(events, longest_s + MARGIN_S)
        except Empty:
            return sorted(stopping)
        if event.kill_now:
            at_most_s = 0.0
            for each in stopping:
                members[each].lifecycle.kill_now()
        elif event.gone in stopping:
            stopping.remove(event.gone)
            members[event.gone].lifecycle.finish_stop()
            order.done(event.gone)
    return []
