"""Handle: what a user or a test holds in hand of one service on a running stack."""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from testbeam.errors import ServiceDied, StackError, WaitTimeout
from testbeam.kit.faults.methods import FaultMethods
from testbeam.kit.journal import Event
from testbeam.kit.logs import LineReader, tail
from testbeam.kit.named import Named
from testbeam.kit.protocols import Evidence, LifecycleLike, ProcessLike, RunLike
from testbeam.kit.spec import CommandResult, Service
from testbeam.kit.state import State
from testbeam.model.deadline import Deadline

_LOG_EVERY_S = 0.02


class Handle(FaultMethods):
    """One service of a run. Roles subclass it with their own methods; a subclass that holds clients lets go of them in `close`."""

    def __init__(self, run: RunLike, lifecycle: LifecycleLike) -> None:
        self._run = run
        self._lifecycle = lifecycle

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {self.state}, pid {self.pid}>"

    @property
    def run(self) -> RunLike:
        """Return the run that the service belongs to."""
        return self._run

    @property
    def service(self) -> Service:
        """Return the declaration."""
        return self._lifecycle.service

    @property
    def name(self) -> str:
        """Return the name within the run."""
        return self.service.name

    @property
    def options(self) -> Mapping[str, Any]:
        """Return what the role has declared for its own use."""
        return self.service.options

    @property
    def state(self) -> State:
        """Return where the service is between its declaration and its end."""
        return self._lifecycle.state

    @property
    def process(self) -> ProcessLike | None:
        """Return what is known of the process; None before it is spawned, or where it runs elsewhere."""
        return self._lifecycle.process

    @property
    def pid(self) -> int | None:
        """Return the process id; None before it is spawned, or where it runs elsewhere."""
        process = self._lifecycle.process
        return None if process is None else process.pid

    @property
    def exit_code(self) -> int | None:
        """Return how the process ended, negative for a signal; None while it runs."""
        process = self._lifecycle.process
        return None if process is None else process.exit_code

    @property
    def folder(self) -> Path:
        """Return the service's own folder."""
        return self._lifecycle.allocation.folder

    @property
    def log_path(self) -> Path:
        """Return where stderr, and stdout unless it is kept apart, goes."""
        return self._lifecycle.allocation.log_path

    @property
    def stdout_path(self) -> Path:
        """Return where stdout goes: the log, unless the service keeps the two apart."""
        return self._lifecycle.allocation.stdout_path

    @property
    def error(self) -> StackError | None:
        """Return why the service failed or crashed; None for one that did neither."""
        return self._lifecycle.error

    @property
    def address(self) -> str:
        """Return the service's loopback address."""
        return self._lifecycle.allocation.address

    @property
    def ports(self) -> Mapping[str, int]:
        """Return the numbers of the ports that are held for the service."""
        return Named(f"ports of service {self.name!r}:", self._lifecycle.allocation.ports)

    @property
    def endpoints(self) -> Mapping[str, str]:
        """Return where the service can be reached."""
        return Named(f"endpoints of service {self.name!r}:", self._lifecycle.allocation.endpoints)

    @property
    def ready_s(self) -> float | None:
        """Return when it was ready, in seconds since the start of the run; None before."""
        return self._lifecycle.ready_s

    @property
    def last_seen(self) -> str:
        """Return what its probe saw last, in words."""
        return self._lifecycle.last_seen.detail

    @property
    def memory(self) -> dict[str, Any]:
        """Return what probes remember between two attempts; emptied at each start."""
        return self._lifecycle.memory

    @property
    def log_start(self) -> int:
        """Return the size of the log at this start, in bytes: what is before it is of an earlier one."""
        return self._lifecycle.log_start

    def fill(self, text: str) -> str:
        """Return a template with this service's values."""
        return self._lifecycle.allocation.fill(text)

    def environment(self) -> dict[str, str]:
        """Return the environment that the service runs in."""
        return self._lifecycle.allocation.environment()

    def call(self, argv: Sequence[str], within_s: float = 10.0) -> CommandResult:
        """Run a command in the service's folder and environment; return its exit code and output (stdout and stderr, in order).

        Whatever it has started is killed when it has ended, or its time is over (exit_code None).

        Raises:
            StackError: it can't be executed.
        """
        return self._lifecycle.call(argv, within_s)

    def is_running(self) -> bool:
        """Return whether the process is there; always True for a service that runs elsewhere."""
        process = self._lifecycle.process
        return self.service.external if process is None else process.is_running()

    def get_stdout(self) -> str:
        """Return all that it has written to stdout (and stderr, unless `separate_stdout` keeps them apart)."""
        return _text(self.stdout_path)

    def get_stderr(self) -> str:
        """Return all that it has written to stderr (and stdout, unless `separate_stdout` keeps them apart)."""
        return _text(self.log_path)

    def log_tail(self, lines: int = 15) -> list[str]:
        """Return the last lines of the log of this start."""
        return tail(self.log_path, lines, self.log_start)

    def log_mark(self) -> int:
        """Return where the log ends now, for `expect_log(since=…)`."""
        return self.log_path.stat().st_size if self.log_path.exists() else 0

    def expect_log(self, pattern: str, within_s: float = 10.0, *, since: int | None = None) -> str:
        """Wait for a line of the log, once it has ended, in which a regular expression is found; return it.

        since: a `log_mark()`, from which on lines count; default the begin of this start.

        Raises:
            WaitTimeout: none came in time; says what the log said last.
            ServiceDied: the service has ended without it.
        """
        expression, deadline, pause = re.compile(pattern), Deadline(within_s), threading.Event()
        reader = LineReader(self.log_path, self.log_start if since is None else since)
        while True:
            is_over, is_late = not self.is_running(), deadline.passed
            for line in reader.lines():
                if expression.search(line):
                    return line
            if is_over:
                self.check()
                raise ServiceDied(f"service {self.name!r} is {self.state} and has not logged {pattern!r}; {self._log_end()}")
            if is_late:
                raise WaitTimeout(f"service {self.name!r} has not logged {pattern!r} within {within_s:g} s; {self._log_end()}")
            pause.wait(_LOG_EVERY_S)

    def _log_end(self) -> str:
        """Return the end of the log, and not where it is: a temporary folder may be gone by the time this is read."""
        return "the end of its log:\n" + ("\n".join(f"  | {line}" for line in self.log_tail()) or "  nothing")

    def check(self) -> None:
        """Raise ServiceDied or NotReady, with its log, if the service has ended unasked or was not ready in time."""
        error = self._lifecycle.error
        if error is not None:
            raise type(error)(*error.args)

    def pause(self) -> None:
        """Stop the service's clock, and that of all that descend from it, until `resume`."""
        self._lifecycle.pause()

    def resume(self) -> None:
        """Let a paused service go on."""
        self._lifecycle.resume()

    def stop(self) -> None:
        """Stop the service in order; its ports, address and folder stay reserved for `start`."""
        self._lifecycle.stop()

    def kill(self) -> None:
        """Kill the service and all that descend from it at once; that is no crash."""
        self._lifecycle.stop(kill=True)

    def start(self) -> None:
        """Start a stopped, failed or crashed service again, on the same ports and folder, and wait until it is ready.

        What is left of an earlier start is killed first.

        Raises:
            NotReady: it did not become ready in time.
            ServiceDied: it ended first.
        """
        self._lifecycle.start(self)

    def restart(self) -> None:
        """Stop the service, if it runs, and start it again on the same ports and folder; raise as `start`."""
        self._lifecycle.stop()
        self.start()

    def send_signal(self, number: int) -> None:
        """Send a signal to the process and all that descend from it, as `signal.SIGHUP` for a program that then reads its settings."""
        self._lifecycle.send_signal(number)

    @contextmanager
    def expect_exit(self) -> Iterator["Handle"]:
        """Allow, within the block, that the service ends by itself: the run is not poisoned by it."""
        self.allow_exit(+1)
        try:
            yield self
        finally:
            self.allow_exit(-1)

    def allow_exit(self, change: int) -> None:
        """Allow (+1) or stop allowing (-1) that the service ends by itself; `expect_exit` does both."""
        self._lifecycle.expect_exit(change)

    def wait_exit(self, timeout_s: float = 10.0) -> int:
        """Wait for the end of the process; return its exit code.

        Raises:
            TimeoutError: it still runs.
            ServiceDied: it was lost with the guard of the run, or could not even be spawned.
        """
        process = self._lifecycle.process
        if process is None or not process.wait_ended(timeout_s):
            raise TimeoutError(f"service {self.name!r} still runs after {timeout_s:g} s")
        if process.exit_code is None:
            raise ServiceDied(f"service {self.name!r} {process.ending()}")
        return process.exit_code

    def evidence(self, begin: Event) -> Sequence[Evidence]:  # noqa: ARG002 — for roles to use
        """Return what the service can say of the time since `begin`, when a test has failed; roles add their own."""
        return ()

    def begin_test(self) -> None:
        """Note what is there when a test begins; roles say what that is. Called by the pytest plugin."""

    def end_test(self) -> None:
        """Undo what the test that has ended left open in the service; roles say what that is. Called by the pytest plugin."""

    def before_user(self, user: Service) -> None:
        """Prepare for a service that needs this one and is about to join the live run; roles say how. Called by `run.add`."""

    def close(self) -> None:
        """Let go of clients that a role's handle holds; called by the run before it stops the service."""


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def handle_class(service: Service) -> type[Handle]:
    """Return the class of a service's handle.

    Raises:
        StackError: what is declared is no subclass of Handle.
    """
    declared = service.handle
    if declared is None:
        return Handle
    if not issubclass(declared, Handle):
        raise StackError(
            f"service {service.name!r}: handle={declared.__name__} is no subclass of testbeam.kit.handle.Handle; derive it from that"
        )
    return declared
