"""How a declared stack becomes a running one, stays watched, and leaves nothing behind."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from math import inf
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Self

from testbeam.errors import ServiceDied, StackError
from testbeam.kit import interrupts, measuring, template
from testbeam.kit.bring_down import HURRY, bring_down
from testbeam.kit.bring_up import BringUp, News
from testbeam.kit.crew import Crew
from testbeam.kit.faults.board import Board
from testbeam.kit.faults.links import Links
from testbeam.kit.guard_client import GuardClient
from testbeam.kit.handle import Handle
from testbeam.kit.journal import Event, Journal, Subscriber, stdout_of
from testbeam.kit.lifecycle import Context, Lifecycle
from testbeam.kit.place import Layout
from testbeam.kit.prepare import prepare
from testbeam.kit.run_folder import RunFolder
from testbeam.kit.state import State

if TYPE_CHECKING:
    from testbeam.kit.spec import Service, Stack

HELLO_TIMEOUT_S = 5.0
GIVE_UP_TIMEOUT_S = 2.0  # whoever waits for the error of a failed start does not wait long for the rest to stop
JOIN_TIMEOUT_S = 3.0  # a probe answers within about 1 s


class Run:
    """One run of a stack, from `start` to `stop`; use it as a context manager.

    Start, stop and add from one thread; handles and the journal may be used from any.
    """

    def __init__(
        self,
        stack: "Stack",
        *,
        folder: Path | str | None = None,
        keep: bool = False,
        on_event: Subscriber | None = None,
        on_crash: Callable[[Handle], None] | None = None,
    ) -> None:
        self.stack = stack
        self.id = os.urandom(6).hex()
        self.keep = keep
        self.ready_s: float | None = None
        self._given_folder = folder
        self._on_event = on_event
        self._on_crash = on_crash
        self._owned = ExitStack()  # what is given back at the end, in reverse order
        self._news: SimpleQueue[News] | None = None  # while something starts: who is ready, what went wrong
        self._crashes: list[StackError] = []
        self._crew: Crew | None = None
        self._running: Crew | None = None  # the same, until it is stopped

    # --- what a user sees ---

    def __getitem__(self, name: str) -> Handle:
        handles = self.crew.handles
        if name not in handles:
            raise StackError(f"no service {name!r} in this run; {template.near(name, handles)}")
        return handles[name]

    def __contains__(self, name: object) -> bool:
        return name in self.crew.handles

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self.crew.handles))

    @property
    def crew(self) -> Crew:
        """Return who belongs to the run.

        Raises:
            StackError: it has not been started.
        """
        if self._crew is None:
            raise StackError("the run has not been started; use it as `with stack.run() as run:`")
        return self._crew

    @property
    def handles(self) -> Mapping[str, Handle]:
        """Return the handle of every service, by name."""
        return dict(self.crew.handles)

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
        places = self.crew.places
        logs = {name: place.log_path for name, place in places.items()}
        logs |= {stdout_of(name): place.stdout_path for name, place in places.items() if place.stdout_path != place.log_path}
        sizes = {name: path.stat().st_size for name, path in logs.items() if path.exists()}
        return self.journal.record("mark", label=label, logs=sizes, **data)

    def measure(self, topic: Any, for_s: float = 10.0, **how: Any) -> Any:
        """Return rate, latency, lag of a topic, and what every service uses meanwhile; see `clients.measure` for `how`.

        Raises:
            StackError: no service of this run has topics.
        """
        return measuring.measure(self.handles, topic, for_s, how)

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
        if self._crew is not None:
            raise StackError("a run starts once; call stack.run() again for another one")
        with self._starting() as interrupt:
            try:
                self._open()
                self._bring_up(self.stack.services)
            except BaseException as error:
                self._give_up(error)
                raise
        if interrupt.pressed:  # after the last piece of news was read
            self._give_up(KeyboardInterrupt())
            raise KeyboardInterrupt
        self.ready_s = (time.monotonic_ns() - self._started_ns) / 1e9
        self.journal.record("run_ready", elapsed_s=round(self.ready_s, 6))

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
        self.faults = Board(self.journal)
        context = Context(guard=self._guard, journal=self.journal, started_ns=self._started_ns, report=self._report)
        self._crew = self._running = Crew(self, layout, context)
        self._owned.callback(self._crew.dissolve)

    def _journal(self, path: Path) -> Journal:
        try:
            return Journal(path, self._on_event)
        except OSError as error:
            raise StackError(f"journal {path}: {error.strerror}; make room, or give another folder: run(folder=…)") from None

    @contextmanager
    def _starting(self) -> Iterator[interrupts.Held]:
        """Collect news for the time of a start; Ctrl-C is a piece of news, too."""
        news: SimpleQueue[News] = SimpleQueue()
        self._news = news
        try:
            with interrupts.held(lambda: news.put(("", KeyboardInterrupt()))) as interrupt:
                yield interrupt
        finally:
            self._news = None

    def _bring_up(self, services: "tuple[Service, ...]") -> None:
        assert self._news is not None
        new = self.crew.join(services)
        prepare([self.crew.places[name] for name in new], self._guard, self.journal, self._news)
        bring_up = BringUp(new, self.crew.handles, self._news)
        try:
            bring_up.run()
            self.check()  # whoever ended after the last piece of news was read
        except BaseException:
            bring_up.cancel()
            self._down(new, GIVE_UP_TIMEOUT_S)  # first, so that whoever asks them is answered
            raise
        finally:
            for thread in bring_up.join(JOIN_TIMEOUT_S):
                self.journal.record("trouble", detail=f"{thread}: a probe or after_ready does not return; give its own calls a time-out")

    def _give_up(self, error: BaseException) -> None:
        self.keep = True
        if self._crew is not None:
            self.journal.record("run_failed", error=f"{type(error).__name__}: {error}")
            error.add_note(f"the folder of the run is kept: {self.folder}")
        self.stop()

    # --- what is reported from other threads ---

    def _report(self, lifecycle: Lifecycle, error: StackError) -> None:
        news = self._news
        if lifecycle.state is State.CRASHED:
            self._crashes.append(error)
            self._call_on_crash(self.crew.handles[lifecycle.service.name])
        if news is not None:
            news.put((lifecycle.service.name, error))

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
        if self._news is not None:
            self._news.put(("", error))

    # --- one more ---

    @contextmanager
    def add(self, service: "Service", **changes: Any) -> Iterator[Handle]:
        """Start one more service, or one otherwise configured, on the live run; stop and forget it at the end of the block.

        Where its name is taken it gets the next free one (`filewriter-2`). Raises as `start`.
        """
        self.check()
        service = service.configured(**changes)
        service = service.configured(name=self.crew.free_name(service.name))
        with self._starting() as interrupt:
            try:
                self._bring_up((service,))
            except BaseException:
                self._remove(service.name)
                raise
        try:
            if interrupt.pressed:  # after the last piece of news was read
                raise KeyboardInterrupt
            yield self[service.name]
        finally:
            self._remove(service.name)

    def _remove(self, name: str) -> None:
        interrupted = False
        if name in self.crew.lifecycles:
            self.faults.end_all("the service leaves the run", name)
            interrupted = self._down({name: self.crew.lifecycles[name]})
        self.crew.leave(name)
        self.faults.reopen(name)
        if interrupted:
            raise KeyboardInterrupt

    # --- down ---

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.keep = self.keep or error is not None or bool(self._crashes)
        self.stop()
        if error is None:
            self.check()

    def stop(self) -> None:
        """Stop every service, each after all that need it, and leave no process, thread, socket or temporary folder.

        Ctrl-C meanwhile kills what is left and is raised at the end.
        """
        interrupted = False
        with interrupts.held() as interrupt, self._owned.pop_all():
            crew, self._running = self._running, None
            if crew is not None:
                self.faults.end_all("the run is over")
                self.journal.record("run_stopping")
                interrupted = self._down(crew.lifecycles)
                self.journal.record("run_stopped")
        if interrupted or interrupt.pressed:
            raise KeyboardInterrupt

    def _down(self, lifecycles: Mapping[str, Lifecycle], at_most_s: float = inf) -> bool:
        news: SimpleQueue[str] = SimpleQueue()
        with interrupts.held(lambda: news.put(HURRY)) as interrupt:
            for name in lifecycles:
                self._close(self.crew.handles[name])
            for name in bring_down(lifecycles, news, at_most_s):
                self.journal.record("trouble", name, detail="did not end in time; the guard kills it at its own end")
        return interrupt.pressed

    def _close(self, handle: Handle) -> None:
        try:
            handle.close()
        except Exception as error:  # a client that can't be closed must not keep its service alive
            self.journal.record("trouble", handle.name, detail=f"its handle could not be closed: {type(error).__name__}: {error}")
