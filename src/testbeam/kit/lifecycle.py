"""State machine of one service: declared, starting, ready, stopping, stopped; failed or crashed where it ends unasked."""

import shlex
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, Protocol

from testbeam.errors import NotReady, StackError
from testbeam.kit import failure, probing, state
from testbeam.kit.guard_client import CommandLine, GuardClient, News, Process, why_not_spawned
from testbeam.kit.journal import Journal
from testbeam.kit.probes.process import ProcessAlive
from testbeam.kit.probing import Waited, wait_until
from testbeam.kit.protocols import AllocationLike
from testbeam.kit.spec import CommandResult, ProbeResult, Service, ServiceView
from testbeam.kit.state import State
from testbeam.model.time import NS_PER_S

ALIVE_EVERY_S = 1.0
KILL_S = 15.0  # the guard's time for SIGKILL, and some
_WITHOUT_PROBE = ProcessAlive()


class Cancelled(StackError):
    """A start was given up because another service failed or the user asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the services of one run share; `report` takes an error that nobody waits for, from any thread.

    kill_s: how long SIGKILL may take.
    """

    guard: GuardClient
    journal: Journal
    started_ns: int
    report: Callable[["Lifecycle", StackError], None]
    clock_ns: Callable[[], int] = time.monotonic_ns
    kill_s: float = KILL_S


class Startable(AllocationLike, failure.Describable, Protocol):
    """What is reserved for a service that is started here."""

    def check_ports(self) -> None:
        """Raise PortTaken where another process listens on one of its ports."""

    def call_line(self, argv: Sequence[str], output: Path) -> CommandLine:
        """Return how a command is spawned beside it."""

    def scratch_file(self) -> AbstractContextManager[Path]:
        """Give an empty file for the block."""


class Lifecycle:
    """The state machine of one service. Calls come from the caller, a start's thread, and the guard's reader thread."""

    def __init__(self, service: Service, allocation: Startable, context: Context) -> None:
        self.service = service
        self.allocation = allocation
        self.context = context
        self.state = State.DECLARED
        self.process: Process | None = None
        self.last_seen = ProbeResult(ready=False, detail="")
        self.ready_ns: int | None = None
        self.memory: dict[str, Any] = {}  # what a probe remembers between two attempts at one start
        self.log_start = 0
        self._expected_exits = 0
        self._cancelled = False
        self._wake = threading.Event()
        self._lock = threading.RLock()
        self._on_gone: Callable[[str], None] | None = None
        self.error: StackError | None = None  # why it is FAILED or CRASHED

    @property
    def ready_s(self) -> float | None:
        """Return when it was ready, in seconds since the start of the run."""
        return None if self.ready_ns is None else (self.ready_ns - self.context.started_ns) / NS_PER_S

    # --- up ---

    def spawn(self) -> None:
        """Order the process, once nothing is left of an earlier one; its end is reported from now on.

        Raises:
            Cancelled: the start was given up meanwhile.
            StackError: it runs, or something of an earlier process outlives even SIGKILL.
            PortTaken: another process has taken one of its ports meanwhile, perhaps one that an earlier start has left.
        """
        self._clear_away()
        if self.process is not None:
            self.allocation.check_ports()
        with self._lock:  # whoever stops the run sees it either not spawned, and never to be, or with its process
            if self._cancelled:
                raise Cancelled(f"the start of service {self.service.name!r} was given up")
            self._move(State.STARTING, record=False)
            self.memory.clear()
            self._wake = threading.Event()  # whoever still waits for an earlier start keeps the old one, which stays set
            self.error, self.ready_ns, self.last_seen = None, None, ProbeResult(ready=False, detail="")
            self.log_start = self.allocation.log_path.stat().st_size if self.allocation.log_path.exists() else 0
            at_ns = self.context.clock_ns()
            if not self.service.external:
                self.process = self.context.guard.spawn(self.allocation.command_line(), self._heard)
        self.context.journal.record("starting", self.service.name, at_ns=at_ns)

    def _clear_away(self) -> None:
        """Kill what is left of an earlier process: it would be in the way of the next, on the same ports and folder."""
        with self._lock:
            process = self.process if self.state in state.OVER else None
        if process is None or process.is_gone():
            return
        process.stop(signal.SIGKILL, 0.0)
        if not process.wait_gone(self.context.kill_s) or process.left:
            raise self.snapshot().unkillable()

    def start(self, service: ServiceView) -> None:
        """Spawn it and wait until it is ready; raise as the two."""
        self.spawn()
        self.become_ready(service)

    def become_ready(self, service: ServiceView) -> None:
        """Ask the probe until the service is ready, then run `after_ready`.

        Raises:
            NotReady: the deadline passed, the probe does not return, or `after_ready` failed.
            ServiceDied: it ended first.
        """
        if self.process is not None:
            self.process.wait_told()
        if self.service.once:
            self._become_done()
            return
        waited_from_s, timeout_s = time.monotonic(), self.service.ready_timeout_s
        try:
            waited = probing.call(
                lambda: self._poll(service), timeout_s=timeout_s, wake=self._wake, name=f"testbeam-probe-{self.service.name}"
            )
        except probing.NotReturned:
            raise self._not_returned(f"probe {self.service.ready!r}", time.monotonic() - waited_from_s) from None
        self._check_going()
        if waited.cut_short:  # and yet it runs: it was stopped, and started again, by somebody else
            raise self.snapshot().stopped_meanwhile()
        if not waited.seen.ready:
            raise self._fail(self.snapshot().too_late(waited))
        self._run_after_ready(service)
        self._enter_ready()
        if self.service.alive is not None:
            name = f"testbeam-alive-{self.service.name}"
            threading.Thread(target=self._watch_alive, args=(service, self._wake), name=name, daemon=True).start()

    def _become_done(self) -> None:
        """Wait for the end of a one-shot service; raise as `become_ready`."""
        started_s, process = time.monotonic(), self.process
        self._wake.wait(self.service.ready_timeout_s)
        if process is None or process.is_running() or process.exit_code != 0:
            self._check_going()  # raises where it was cancelled or stopped, or has failed
            waited = Waited(seen=self.last_seen, attempts=1, elapsed_s=time.monotonic() - started_s)
            raise self._fail(self.snapshot().too_late(waited))
        with self._lock:
            if self.state is not State.STARTING:
                raise self.snapshot().stopped_meanwhile()
            self._move(State.READY, record=False)
            self._move(State.DONE, record=False)
            self.ready_ns = self.context.clock_ns()
        self._record_ready()
        self.context.journal.record("done", self.service.name)

    def _watch_alive(self, service: ServiceView, wake: threading.Event) -> None:
        """Ask the liveness probe as long as the service is ready; while it is paused its time does not run."""
        probe, name, answered_s = self.service.alive, self.service.name, time.monotonic()
        assert probe is not None
        while not wake.wait(ALIVE_EVERY_S) and self.state in {State.READY, State.PAUSED}:
            left_s = max(self.service.alive_timeout_s - (time.monotonic() - answered_s), 0.0)
            try:
                seen = probing.call(
                    lambda: probing.safely(lambda: probe.check(service)), timeout_s=left_s, wake=wake, name=f"testbeam-alive-{name}"
                )
            except probing.NotReturned:
                seen = ProbeResult(ready=False, detail=f"{probe!r} has not returned")
            if seen.ready or self.state is State.PAUSED:
                answered_s = time.monotonic()
            elif time.monotonic() - answered_s >= self.service.alive_timeout_s and not wake.is_set():
                self._hang(seen)
                return

    def _hang(self, seen: ProbeResult) -> None:
        """Take in that a service runs and does not answer any more."""
        with self._lock:
            if self.state is not State.READY:
                return
            self.last_seen = seen
            self.error = self.snapshot().hangs()
            self._move(State.CRASHED, record=False)
        self.context.journal.record("crashed", self.service.name, how="does not answer any more", error=str(self.error))
        self.context.report(self, self.error)

    def _poll(self, service: ServiceView) -> Waited:
        return wait_until(
            lambda: self._ask_probe(service), timeout_s=self.service.ready_timeout_s, pause=self._wake.wait, on_change=self._note_seen
        )

    def _ask_probe(self, service: ServiceView) -> ProbeResult:
        if self._wake.is_set():
            return ProbeResult(ready=False, detail="not running")
        return (self.service.ready or _WITHOUT_PROBE).check(service)

    def _note_seen(self, seen: ProbeResult) -> None:
        self.last_seen = seen
        self.context.journal.record("seen", self.service.name, ready=seen.ready, detail=seen.detail)

    def _run_after_ready(self, service: ServiceView) -> None:
        after_ready, since_s = self.service.after_ready, time.monotonic()
        if after_ready is None:
            return
        try:
            probing.call(
                lambda: after_ready(service),
                timeout_s=self.service.ready_timeout_s,
                wake=self._wake,
                name=f"testbeam-after-{self.service.name}",
            )
        except probing.NotReturned:
            raise self._not_returned("after_ready", time.monotonic() - since_s) from None
        except Exception as error:  # `after_ready` is anybody's code
            self._check_going()
            raise self._fail(self.snapshot().after_ready_failed(error, time.monotonic() - since_s)) from error

    def _not_returned(self, what: str, after_s: float) -> NotReady:
        """Return the error for what hangs, or raise what has happened meanwhile."""
        self._check_going()
        return self._fail(self.snapshot().not_returned(what, after_s))

    def _enter_ready(self) -> None:
        with self._lock:
            self._check_going()
            self._move(State.READY, record=False)
            self.ready_ns = self.context.clock_ns()
        self._record_ready()

    def _record_ready(self) -> None:
        assert self.ready_ns is not None
        elapsed_s = (self.ready_ns - self.context.started_ns) / NS_PER_S
        self.context.journal.record("ready", self.service.name, at_ns=self.ready_ns, elapsed_s=round(elapsed_s, 6))

    def _check_going(self) -> None:
        if self._cancelled:
            raise Cancelled(f"the start of service {self.service.name!r} was given up")
        if self.process is not None and not self.process.is_running():
            raise self.snapshot().died()
        if self.state in {State.STOPPING, State.STOPPED}:
            raise self.snapshot().stopped_meanwhile()

    def cancel(self) -> None:
        """Give up the start for good: nobody spawns it or waits for it any more; a process that it has is left as it is."""
        with self._lock:
            self._cancelled = True
        self._wake.set()

    # --- what the guard says ---

    def _heard(self, process: Process, news: News) -> None:
        if news == "spawned":
            reach = {"address": self.allocation.address, "ports": dict(self.allocation.ports)}
            self.context.journal.record("spawned", self.service.name, at_ns=process.spawned_ns, pid=process.pid, **reach)
        elif news == "ended":
            self._ended(process)
        elif self._on_gone is not None and self._is_latest(process):
            self._on_gone(self.service.name)

    def _is_latest(self, process: Process) -> bool:
        """Return whether no later process was ordered; the very last may not be noted yet when its first news comes."""
        return self.process is None or process.job >= self.process.job

    def _ended(self, process: Process) -> None:
        self.context.journal.record("exited", self.service.name, at_ns=process.ended_ns, code=process.exit_code, how=process.ending())
        with self._lock:
            if not self._is_latest(process):
                return
            self.process, wake = process, self._wake  # the order may not have returned yet
            is_done = self.service.once and self.state is State.STARTING and process.exit_code == 0
            become = self._take_end() if self.state in state.RUNNING and not is_done else None
        if become is not None:
            then, error = become
            self.context.journal.record(then, self.service.name, at_ns=process.ended_ns, how=process.ending(), error=str(error or ""))
            if error is not None:
                self.context.report(self, error)
        wake.set()

    def _take_end(self) -> tuple[State, StackError | None]:
        """Take in that the process has ended by itself; return what became of the service, and why."""
        expected = self._expected_exits > 0 and self.state is not State.STARTING
        self.error = None if expected else self.snapshot().died()
        self.state = State.STOPPED if expected else State.FAILED if self.state is State.STARTING else State.CRASHED
        return self.state, self.error

    # --- down ---

    def begin_stop(self, on_gone: Callable[[str], None], at_most_s: float = inf) -> None:
        """Ask the service to end within its time and at_most_s; 0 kills it. on_gone is called, perhaps at once, when nothing is left."""
        with self._lock:
            process = self.process
            self._on_gone = on_gone
            stopping = process is not None and self.state in state.RUNNING
            if stopping:
                self._move(State.STOPPING, record=False)
        if stopping:
            self.context.journal.record("stopping", self.service.name)
        if process is None or process.is_gone():
            self.finish_stop()
            on_gone(self.service.name)
            return
        number = self.service.stop_signal if at_most_s > 0 else signal.SIGKILL
        process.stop(number, min(self.service.stop_timeout_s, at_most_s), tree=self.service.stop_scope == "tree" or at_most_s <= 0)

    def kill_now(self) -> None:
        """Kill what was asked to end."""
        if self.process is not None and not self.process.is_gone():
            self.process.stop(signal.SIGKILL, 0.0)

    def finish_stop(self) -> None:
        """Take in that nothing is left."""
        with self._lock:
            if self.state in state.OVER:
                return
            if self.state in state.RUNNING:  # external: it goes on, only we are done with it
                self.state = State.STOPPING
            self._move(State.STOPPED, record=False)
        self._wake.set()  # a start of a service that runs elsewhere may be waited for
        process = self.process
        self.context.journal.record("stopped", self.service.name, killed=process is not None and process.killed)

    def stop(self, *, kill: bool = False) -> None:
        """Stop or kill the service and wait until nothing of it is left.

        Raises:
            StackError: something of it outlives even SIGKILL.
        """
        gone = threading.Event()
        self.begin_stop(lambda _: gone.set(), 0.0 if kill else inf)
        if not gone.wait(self.service.stop_timeout_s + self.context.kill_s) or (self.process is not None and self.process.left):
            raise self.snapshot().unkillable()
        self.finish_stop()

    # --- while it runs ---

    def pause(self) -> None:
        """Stop the clock of the service and of all that descend from it (SIGSTOP), and wait until the kernel has."""
        process = self._own_process()
        self._move(State.PAUSED, kind="paused")
        process.send(signal.SIGSTOP)
        wait_until(lambda: self._stands_still(process), timeout_s=probing.OBEYED_S, pause=self._wake.wait)

    def _stands_still(self, process: Process) -> ProbeResult:
        resumed = self.state is not State.PAUSED  # by somebody else meanwhile
        return ProbeResult(ready=True, detail="goes on") if resumed else probing.stands_still(process.pid or 0)

    def resume(self) -> None:
        """Let a paused service go on (SIGCONT)."""
        process = self._own_process()
        self._move(State.READY, kind="resumed")
        process.send(signal.SIGCONT)

    def _own_process(self) -> Process:
        if self.process is None:
            why = "runs elsewhere" if self.service.external else f"is {self.state}"
            raise StackError(f"service {self.service.name!r} {why}; only a running process of this run can do that")
        return self.process

    def send_signal(self, number: int) -> None:
        """Send a signal to the process and all that descend from it; an ended one gets none."""
        self._own_process().send(number)

    def call(self, argv: Sequence[str], within_s: float) -> CommandResult:
        """Run a command as a job of the guard, which knows all that descends from it.

        Raises:
            StackError: it can't be executed, or something of it outlives SIGKILL.
        """
        with self.allocation.scratch_file() as output:
            line = self.allocation.call_line(argv, output)
            process = self.context.guard.spawn(line)
            process.wait_ended(within_s)
            code = process.exit_code
            process.stop(signal.SIGKILL, 0.0)
            if not process.wait_gone(self.context.kill_s) or process.left:
                raise StackError(f"service {self.service.name!r}: {shlex.join(argv)} can't be killed")
            if process.refusal is not None:
                raise StackError(f"service {self.service.name!r}: {why_not_spawned(process.refusal, line)}")
            return CommandResult(None if process.lost else code, output.read_text(encoding="utf-8", errors="replace"))

    def expect_exit(self, change: int) -> None:
        """Allow (+1) or stop allowing (-1) that the service ends."""
        with self._lock:
            self._expected_exits += change

    def snapshot(self) -> failure.Snapshot:
        """Return what an error tells of this moment."""
        return failure.Snapshot(
            service=self.service,
            allocation=self.allocation,
            process=self.process,
            last_seen=self.last_seen.detail,
            log_start=self.log_start,
            was_ready=self.ready_ns is not None,
            now_ns=self.context.clock_ns(),
        )

    def _fail(self, error: NotReady) -> NotReady:
        with self._lock:
            self._check_going()
            if self.state is not State.STARTING:  # somebody else who waited for it has come first
                return error
            self._move(State.FAILED, record=False)
            self.error = error
        self.context.journal.record("failed", self.service.name, error=str(error))
        return error

    def _move(self, then: State, kind: str | None = None, *, record: bool = True) -> None:
        with self._lock:
            self.state = state.step(self.service.name, self.state, then)
        if record:
            self.context.journal.record(kind or then, self.service.name)
