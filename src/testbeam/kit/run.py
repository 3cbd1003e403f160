"""Run of a stack: started, watched, added to, and stopped with nothing left behind."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from math import inf
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Self, TypeVar

from testbeam.errors import ServiceDied, StackError
from testbeam.kit import host, interrupts, template
from testbeam.kit.faults.fault import ActiveFaults
from testbeam.kit.faults.links import Links
from testbeam.kit.guard_client import GuardClient
from testbeam.kit.handle import Handle
from testbeam.kit.journal import Event, Journal, Subscriber
from testbeam.kit.lifecycle import Context, Lifecycle
from testbeam.kit.logs import LogLimiter, stdout_of
from testbeam.kit.members import Member, Members
from testbeam.kit.protocols import Declared
from testbeam.kit.run_folder import Layout, RunFolder
from testbeam.kit.spec import Service
from testbeam.kit.startup import KILL_NOW, StartEvent, StartUp, StopEvent, prepare, stop_all
from testbeam.kit.state import State
from testbeam.model.time import NS_PER_S

H = TypeVar("H")

HELLO_TIMEOUT_S = 30.0
GIVE_UP_TIMEOUT_S = 2.0  # whoever waits for the error of a failed start does not wait long for the rest to stop
JOIN_TIMEOUT_S = 3.0


class Run:
    """One run of a stack, from `start` to `stop`; use it as a context manager.

    Start, stop and add from one thread; handles and the journal may be used from any.
    """

    def __init__(
        self,
        stack: Declared,
        *,
        folder: Path | str | None = None,
        keep: bool = False,
        on_event: Subscriber | None = None,
        on_crash: Callable[[Handle], None] | None = None,
    ) -> None:
        self.stack = stack
        self.id = os.urandom(6).hex()
        self._keep = keep
        self.ready_s: float | None = None
        self._given_folder = folder
        self._on_event = on_event
        self._on_crash = on_crash
        self._owned = ExitStack()  # what is given back at the end, in reverse order
        self._events: SimpleQueue[StartEvent] | None = None  # while something starts: what is ready, what went wrong
        self._crashes: list[StackError] = []
        self._members: Members | None = None
        self._running: Members | None = None  # the same, until it is stopped

    # --- what a user sees ---

    def __repr__(self) -> str:
        states = (f"{name} {handle.state}" for name, handle in self._members.handles.items()) if self._members else ("not started",)
        return f"<Run: {', '.join(states)}>"

    def __getitem__(self, name: str) -> Handle:
        if name not in self.members:
            raise StackError(f"no service {name!r} in this run; {template.near(name, self.members)}")
        return self.members[name].handle

    def __contains__(self, name: object) -> bool:
        return name in self.members

    def __iter__(self) -> Iterator[str]:
        return iter(self.members)

    def service(self, name: str, kind: type[H]) -> H:
        """Return the handle of a service, typed: `run.service("filewriter", FileWriterHandle)`.

        Raises:
            StackError: there is no such service, or its handle is of another class.
        """
        handle = self[name]
        if not isinstance(handle, kind):
            raise StackError(f"the handle of service {name!r} is a {type(handle).__name__}, not a {kind.__name__}")
        return handle

    @property
    def members(self) -> Members:
        """Return the services of the run.

        Raises:
            StackError: it has not been started.
        """
        if self._members is None:
            raise StackError("the run has not been started; use it as `with stack.run() as run:`")
        return self._members

    @property
    def handles(self) -> Mapping[str, Handle]:
        """Return the handle of every service, by name."""
        return self.members.handles

    @property
    def keep(self) -> bool:
        """Return whether a temporary folder stays at the end."""
        return self._keep

    @keep.setter
    def keep(self, keep: bool) -> None:
        self._keep = keep
        if self._members is not None:
            self._guard.remove_folder_at_end(self.folder if self._folder.temporary and not keep else None)

    @property
    def folder(self) -> Path:
        """Return where logs, files and the services' own folders are."""
        return self._folder.path

    @property
    def guard_pid(self) -> int | None:
        """Return the pid of the guard process; None if it did not come up."""
        self._guard.wait_hello(HELLO_TIMEOUT_S)
        return self._guard.guard_pid

    @property
    def watcher_pid(self) -> int:
        """Return the pid of the guard's watcher."""
        return self._guard.watcher_pid

    @property
    def crashed(self) -> tuple[StackError, ...]:
        """Return an error for each unexpected end of a ready service, and of the guard, since the start."""
        return tuple(self._crashes)

    def check(self) -> None:
        """Raise the first unexpected end of a service that there has been: a poisoned run passes no test.

        Raises:
            ServiceDied: a service, or the guard of the run, has ended.
        """
        if self._crashes:
            first = self._crashes[0]
            raise type(first)(*first.args)

    def mark(self, label: str, **data: Any) -> Event:
        """Note a moment in the journal, with the size of every log: two marks cut the logs into slices."""
        handles = self.members.handles
        logs = {name: handle.log_path for name, handle in handles.items()}
        logs |= {stdout_of(name): handle.stdout_path for name, handle in handles.items() if handle.stdout_path != handle.log_path}
        sizes = {name: path.stat().st_size for name, path in logs.items() if path.exists()}
        return self.journal.record("mark", label=label, logs=sizes, **data)

    # --- up ---

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        """Start every service and return when all are ready; on any error nothing is left running.

        Raises:
            NotReady: a service did not become ready in time.
            ServiceDied: a service ended.
            StackError: something could not be had or done.
        """
        if self._members is not None:
            raise StackError("a run starts once; call stack.run() again for another one")
        with self._starting() as interrupt:
            try:
                self._open()
                self._start_up(self.stack.services)
                self.ready_s = (time.monotonic_ns() - self._started_ns) / NS_PER_S
                self.journal.record("run_ready", elapsed_s=round(self.ready_s, 6))
            except BaseException as error:
                self._give_up(error)
                raise
        if interrupt.pressed:  # after the last event was read
            interrupted = KeyboardInterrupt()
            self._give_up(interrupted)
            raise interrupted

    def _open(self) -> None:
        self._started_ns = time.monotonic_ns()
        self._folder = RunFolder(self._given_folder)
        self._owned.callback(lambda: self._folder.leave(keep=self.keep))
        layout = Layout(folder=self.folder, run_id=self.id)
        layout.make()
        self.journal = self._journal(layout.journal_path)
        self._owned.callback(self.journal.close)
        names = [service.name for service in self.stack.services]
        self.journal.record(
            "run_started", at_ns=self._started_ns, run_id=self.id, wall_ns=time.time_ns(), folder=str(self.folder), services=names
        )
        self._guard = GuardClient(self.id, self._guard_died)
        self._owned.callback(self._guard.close)
        self.links = Links(self.id, layout.log_dir / "links.log", self._lost)
        self._owned.callback(self.links.close)
        self._log_limits = LogLimiter(lambda what: self.journal.record("trouble", detail=what))
        self._owned.callback(self._log_limits.close)
        self.faults = ActiveFaults(self.journal, self.links)
        context = Context(guard=self._guard, journal=self.journal, started_ns=self._started_ns, report=self._report)
        if self._folder.temporary and not self.keep:
            self._guard.remove_folder_at_end(self.folder)
        self._members = self._running = Members(self, layout, context, self.links)
        self._owned.callback(self._members.release_all)

    def _journal(self, path: Path) -> Journal:
        try:
            return Journal(path, self._on_event)
        except OSError as error:
            raise StackError(f"journal: {host.why(error, path)}; make room, or give another as `folder`") from None

    @contextmanager
    def _starting(self) -> Iterator[interrupts.Interrupt]:
        """Collect events for the time of a start; Ctrl-C is one, too."""
        events: SimpleQueue[StartEvent] = SimpleQueue()
        self._events = events
        try:
            with interrupts.held(lambda: events.put(StartEvent("", KeyboardInterrupt()))) as interrupt:
                yield interrupt
        finally:
            self._events = None

    def _start_up(self, services: tuple[Service, ...]) -> None:
        assert self._events is not None
        new = self.members.add(services)
        for member in new.values():
            if member.service.log_limit_bytes:
                self._log_limits.limit(member.allocation.log_path, member.service.log_limit_bytes)
        prepare([member.allocation for member in new.values()], self._guard, self.journal, self._events)
        start_up = StartUp(new, self._events)
        try:
            start_up.run()
            self.check()  # for what ended after the last event was read
        except BaseException:
            start_up.cancel()
            self._stop(new, GIVE_UP_TIMEOUT_S)  # first, so that probes that ask them are answered
            raise
        finally:
            for thread in start_up.join(JOIN_TIMEOUT_S):
                self.journal.record("trouble", detail=f"{thread} does not end")

    def _give_up(self, error: BaseException) -> None:
        self.keep = self.keep or not isinstance(error, KeyboardInterrupt)  # whoever does not want the run wants no folder of it
        if self._members is not None:
            self.journal.record("run_failed", error=f"{type(error).__name__}: {error}")
            if self.keep or not self._folder.temporary:
                error.add_note(f"the folder of the run is kept: {self.folder}")
            if isinstance(error, StackError):
                error.run_folder = self.folder
            self._note_full_disk(error)
        self.stop()

    def _note_full_disk(self, error: BaseException) -> None:
        """Say that the disk is full, where it is: that is then the cause of most errors, which know nothing of it."""
        full = host.no_room(self.folder)
        if full and full not in str(error):
            error.add_note(f"{full}: make room, or give another folder")

    # --- what is reported from other threads ---

    def _report(self, lifecycle: Lifecycle, error: StackError) -> None:
        events = self._events
        if lifecycle.state is State.CRASHED:
            self._crashes.append(error)
            self._call_on_crash(self.members[lifecycle.service.name].handle)
        if events is not None:
            events.put(StartEvent(lifecycle.service.name, error))

    def _call_on_crash(self, handle: Handle) -> None:
        try:
            if self._on_crash is not None:
                self._on_crash(handle)
        except Exception as error:  # the kit's thread must go on
            self.journal.record("trouble", handle.name, detail=f"on_crash failed: {type(error).__name__}: {error}")

    def _guard_died(self, how: str) -> None:
        self._lost(f"{how}; every process of run {self.id} was killed with it")

    def _lost(self, how: str) -> None:
        error = ServiceDied(f"{how}; start the run again")
        self._crashes.append(error)
        self.journal.record("trouble", detail=str(error))
        if self._events is not None:
            self._events.put(StartEvent("", error))

    # --- one more ---

    @contextmanager
    def add(self, service: Service, **changes: Any) -> Iterator[Handle]:
        """Start one more service, or one otherwise configured, on the live run; stop and forget it at the end of the block.

        Where its name is taken it gets the next free one (`filewriter-2`). What it needs is told first: a broker makes its topics.
        Raises as `start`, and as that does.
        """
        self.check()
        service = service.configured(**changes)
        service = service.configured(name=self.members.free_name(service.name))
        for need in service.needs:
            if need in self.members:
                self[need].before_user(service)
        with self._starting() as interrupt:
            try:
                self._start_up((service,))
            except BaseException:
                self._remove(service.name)
                raise
        try:
            if interrupt.pressed:  # after the last event was read
                raise KeyboardInterrupt
            yield self[service.name]
        finally:
            self._remove(service.name)

    def _remove(self, name: str) -> None:
        interrupted = False
        if name in self.members:
            self.faults.end_all("the service leaves the run", name)
            interrupted = self._stop({name: self.members[name]})
        self.members.remove(name)
        self.faults.reopen(name)
        if interrupted:
            raise KeyboardInterrupt

    # --- down ---

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        failed = error is not None and not isinstance(error, KeyboardInterrupt)
        self.keep = self.keep or failed or bool(self._crashes)
        if error is not None:
            self._note_full_disk(error)
        self.stop()
        if error is None:
            self.check()

    def stop(self) -> None:
        """Stop every service, each after all that need it, and leave no process, thread, socket or temporary folder.

        Ctrl-C meanwhile kills what is left and is raised at the end.
        """
        interrupted = False
        with interrupts.held() as interrupt, self._owned.pop_all():
            members, self._running = self._running, None
            if members is not None:
                self.faults.end_all("the run is over")
                self.journal.record("run_stopping")
                interrupted = self._stop({name: members[name] for name in members})
                self.journal.record("run_stopped")
        if interrupted or interrupt.pressed:
            raise KeyboardInterrupt

    def _stop(self, members: Mapping[str, Member], at_most_s: float = inf) -> bool:
        events: SimpleQueue[StopEvent] = SimpleQueue()
        with interrupts.held(lambda: events.put(KILL_NOW)) as interrupt:
            for member in members.values():
                self._close(member.handle)
            for name in stop_all(members, events, at_most_s):
                self.journal.record("trouble", name, detail="did not end in time; the guard kills it at its own end")
        return interrupt.pressed

    def _close(self, handle: Handle) -> None:
        try:
            handle.close()
        except Exception as error:  # a client that can't be closed must not keep its service alive
            self.journal.record("trouble", handle.name, detail=f"its handle could not be closed: {type(error).__name__}: {error}")
