"""Session of one client of a hosted run: serves its requests; its faults and added services are undone on disconnect, even by SIGKILL."""

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any

from testbeam.errors import StackError
from testbeam.hosting.run_control import Request
from testbeam.hosting.service_json import decode_service, encode_service
from testbeam.kit.faults.fault import Fault
from testbeam.kit.handle import Handle
from testbeam.kit.journal import Event
from testbeam.kit.run import Run

Added = dict[str, AbstractContextManager[Handle]]


class ClientSession:
    """One connection's requests. `adding` keeps two clients from adding services to the run at once."""

    def __init__(self, run: Run, adding: threading.Lock) -> None:
        self._run = run
        self._adding = adding
        self._added: Added = {}
        self._expected: list[str] = []
        self._faults: dict[int, Fault] = {}
        self._words: Mapping[str, Callable[..., Any]] = {
            "describe": self._describe,
            "look": lambda service: look(run[service]),
            "start": lambda service: run[service].start(),
            "stop": lambda service: run[service].stop(),
            "restart": lambda service: run[service].restart(),
            "kill": lambda service: run[service].kill(),
            "pause": lambda service: run[service].pause(),
            "resume": lambda service: run[service].resume(),
            "call": lambda service, argv, within_s: asdict(run[service].call(argv, within_s)),
            "send_signal": lambda service, number: run[service].send_signal(number),
            "expect_exit": self._expect_exit,
            "wait_exit": lambda service, timeout_s: run[service].wait_exit(timeout_s),
            "fill": lambda service, text: run[service].fill(text),
            "environment": lambda service: run[service].environment(),
            "add": self._add,
            "remove": self._remove,
            "fault_begin": self._begin_fault,
            "fault_end": self._end_fault,
            "fault_change": lambda number, options: run.faults.change(self._fault(number), options),
            "fault_counts": lambda number: run.faults.counts(self._fault(number)),
            "mark": lambda label, data: event(run.mark(label, **data)),
            "record": lambda kind, service, data: event(run.journal.record(kind, service, **data)),
            "crashes": lambda since: [[type(error).__name__, str(error)] for error in run.crashed[since:]],
            "events": lambda since: [event(one) for one in run.journal.events[since:]],
        }

    def answer(self, request: Request) -> Any:
        """Do what is asked for; raise what it raises."""
        return self._words[request.word](**request.data)

    def leave(self) -> None:
        """Undo what only this client wanted: the faults that it began, the exits that it expected, the services that it added."""
        for number in reversed(tuple(self._faults)):
            self._undo(self._faults[number].handle.name, lambda number=number: self._end_fault(number, "who began it has left"))  # type: ignore[misc]
        for service in self._expected:
            if service in self._run:
                self._expect(service, -1)
        for name in reversed(tuple(self._added)):
            self._undo(name, lambda name=name: self._remove(name))  # type: ignore[misc]

    def _undo(self, service: str, action: Callable[[], object]) -> None:
        try:
            action()
        except Exception as error:  # the client is gone: only the journal can be told
            self._run.journal.record(
                "trouble", service, detail=f"could not be undone for a client that left: {type(error).__name__}: {error}"
            )

    def _begin_fault(self, service: str, kind: str, options: Mapping[str, Any]) -> int:
        fault = self._run[service].fault(kind, **options).begin()
        self._faults[fault.number] = fault
        return fault.number

    def _end_fault(self, number: int, why: str) -> dict[str, int]:
        fault = self._fault(number)
        del self._faults[number]
        fault.end(why)
        return fault.last_counts

    def _fault(self, number: int) -> Fault:
        if number not in self._faults:
            raise StackError(f"fault {number} was not begun by this client; it began {', '.join(map(str, self._faults)) or 'none'}")
        return self._faults[number]

    def _describe(self) -> dict[str, Any]:
        run = self._run
        return {
            "id": run.id,
            "folder": str(run.folder),
            "ready_s": run.ready_s,
            "started_ns": run.journal.events[0].at_ns,
            "guard_pid": run.guard_pid,
            "watcher_pid": run.watcher_pid,
            "crashes": len(run.crashed),
            "events": len(run.journal.events),
            "services": [describe(handle) for handle in run.handles.values()],
        }

    def _expect_exit(self, service: str, change: int) -> None:
        if change not in (1, -1):
            raise StackError(f"expect_exit: change is {change}; give 1 or -1")
        if change < 0 and service not in self._expected:
            raise StackError(f"expect_exit: this client expects no exit of {service!r}")
        self._expect(service, change)
        if change > 0:
            self._expected.append(service)
        else:
            self._expected.remove(service)

    def _expect(self, service: str, change: int) -> None:
        self._run[service].allow_exit(change)

    def _add(self, declaration: Mapping[str, Any]) -> dict[str, Any]:
        adding = self._run.add(decode_service(declaration))
        with self._adding:
            handle = adding.__enter__()
        self._added[handle.name] = adding
        return describe(handle)

    def _remove(self, service: str) -> None:
        adding = self._added.pop(service, None)
        if adding is None:
            raise StackError(f"service {service!r} was not added by this client; it added {', '.join(self._added) or 'none'}")
        with self._adding:
            adding.__exit__(None, None, None)


def event(one: Event) -> dict[str, Any]:
    """Return an event as it is sent."""
    return {"at_ns": one.at_ns, "kind": one.kind, "service": one.service, "data": dict(one.data)}


def describe(handle: Handle) -> dict[str, Any]:
    """Return what does not change of a service while it belongs to the run."""
    described = {
        "name": handle.name,
        "folder": str(handle.folder),
        "log_path": str(handle.log_path),
        "stdout_path": str(handle.stdout_path),
        "address": handle.address,
        "ports": dict(handle.ports),
        "endpoints": dict(handle.endpoints),
    }
    try:
        return described | {"declaration": encode_service(handle.service)}
    except StackError as error:  # a client that has the declaration can work with the service all the same
        return described | {"untold": str(error)}


def look(handle: Handle) -> dict[str, Any]:
    """Return what changes of a service."""
    error = handle.error
    return {
        "state": str(handle.state),
        "pid": handle.pid,
        "exit_code": handle.exit_code,
        "running": handle.is_running(),
        "ready_s": handle.ready_s,
        "log_start": handle.log_start,
        "last_seen": handle.last_seen,
        "error": None if error is None else [type(error).__name__, str(error)],
    }
