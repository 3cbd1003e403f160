"""Host process of a detached stack: `python -m testbeam.hosting.host`, told what to start by its standard input.

Standard input is a socket. The starter writes one line, the Order; it reads the journal's events as lines until the stack is ready or
could not be started, and then hangs up. Until then the end of the starter is the end of the host.
"""

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from testbeam.errors import StackError
from testbeam.hosting import processes, registry
from testbeam.hosting.client_session import event
from testbeam.hosting.hosted import StackInfo, hosted, starting
from testbeam.hosting.registry import Entry
from testbeam.hosting.run_control import told_of
from testbeam.hosting.service_json import decode_service
from testbeam.kit import interrupts
from testbeam.kit.journal import Event
from testbeam.kit.run import Run
from testbeam.kit.stack import Stack
from testbeam.runtime import exit_codes
from testbeam.transport.readiness import ready

_KILL_NOW_S = 0.2  # after this long, an end that nobody can wait for any more becomes a kill


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to host: services as `service_json` writes them, where, under which label, and the process whose end ends it (pid 0: none)."""

    services: Sequence[Mapping[str, Any]]
    label: Mapping[str, Any]
    path: list[str]  # of Python's modules, so that a test's own classes can be found
    folder: str = ""
    watched_pid: int = 0
    watched_started_at: str = ""

    def to_line(self) -> bytes:
        """Return the order as one line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Order":
        """Return the order that a line holds."""
        return cls(**json.loads(line))


class Starter:
    """The other end of standard input, for as long as it wants to hear how the start goes."""

    def __init__(self) -> None:
        self.socket = socket.socket(fileno=os.dup(0))
        self.done = False
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def order(self) -> Order:
        """Return what is to be hosted."""
        with self.socket.makefile("rb") as lines:
            return Order.from_line(lines.readline())

    def tell(self, kind: str, value: Any) -> None:
        """Say one thing; no-op when disconnected."""
        with suppress(OSError):
            self.socket.sendall(json.dumps({kind: value}, default=str).encode() + b"\n")

    def heard(self, one: Event) -> None:
        """Pass on an event of the journal."""
        if not self.done:
            self.tell("event", event(one))

    def say_ready(self, entry: Entry) -> None:
        """Say that the stack is ready; from here on the starter may go."""
        self.done = True  # first: it may go at once
        self.tell("ready", asdict(entry))

    def fail(self, error: Exception) -> None:
        """Say why there will be no stack."""
        self.tell("error", {**told_of(error), "notes": getattr(error, "__notes__", [])})

    def hang_up(self) -> None:
        """Say no more."""
        self.done = True
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)


class Watch:
    """Ends the host when its starter goes before the stack is ready, or when the process that it belongs to goes."""

    def __init__(self, starter: Starter, order: Order) -> None:
        self.end: Callable[[], None] = _interrupt  # what the main thread understands while it starts the stack
        self._starter = starter
        self._owner_fd = processes.open_end(order.watched_pid, order.watched_started_at) if order.watched_pid else None
        self.owner_gone = bool(order.watched_pid) and self._owner_fd is None
        self._closed_fd, self._close_fd = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._watch, name="testbeam-host-watch", daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        starter_fd = self._starter.socket.fileno()
        fds = {self._closed_fd, starter_fd} | ({self._owner_fd} if self._owner_fd is not None else set())
        while not self.owner_gone:
            found, _ = ready(fds)
            if self._closed_fd in found:
                return
            self.owner_gone = self._owner_fd in found
            if starter_fd in found and not self._starter.done:
                break  # it died, or Ctrl-C was pressed there
            fds.discard(starter_fd)
        self.end()

    def close(self) -> None:
        """End the watch."""
        os.close(self._close_fd)
        self._thread.join()
        os.close(self._closed_fd)
        if self._owner_fd is not None:
            os.close(self._owner_fd)


def main() -> int:
    """Start the stack, say so, and host it until it is told to end."""
    registry.keep_log(sys.stderr.fileno())
    os.chdir("/")  # a folder that somebody may want to remove is no place to stay in
    _settle_signals()
    starter = Starter()
    order = starter.order()
    sys.path[:] = [*sys.path, *(one for one in order.path if one not in sys.path)]
    watch = Watch(starter, order)
    try:
        _host(order, starter, watch)
    except KeyboardInterrupt:
        starter.fail(StackError("the stack was ended while it started, by `testbeam down` or a signal"))
        Path(order.label["log"]).unlink(missing_ok=True)
        return exit_codes.FAILED
    except Exception as error:
        starter.fail(error)
        raise
    finally:
        starter.hang_up()
        watch.close()
        if watch.owner_gone and order.label["session"]:
            registry.forget_session(order.label["session"])  # nobody else is left to do it
    Path(order.label["log"]).unlink(missing_ok=True)  # nothing went wrong: it has nothing to say
    return exit_codes.OK


def _host(order: Order, starter: Starter, watch: Watch) -> None:
    run, info = Stack(*map(decode_service, order.services)).run(order.folder or None, on_event=starter.heard), StackInfo(**order.label)
    with starting(run, info):
        run.start()
    try:
        with hosted(run, info) as hosted_run:
            watch.end = hosted_run.told_to_end.set
            starter.say_ready(hosted_run.entry)
            with suppress(KeyboardInterrupt):  # SIGTERM: an orderly end
                interrupts.wait(hosted_run.told_to_end)
    finally:
        _stop(run, kill_soon=watch.owner_gone)


def _stop(run: Run, *, kill_soon: bool) -> None:
    """Stop the run; with kill_soon, when its owner is gone, what is left after a moment is killed."""
    run.keep = run.keep or bool(run.crashed)  # its logs tell why
    if not kill_soon:
        run.stop()
        return
    alarm = threading.Timer(_KILL_NOW_S, _interrupt)
    with suppress(KeyboardInterrupt):
        alarm.start()
        run.stop()
        alarm.cancel()
        alarm.join()


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def _settle_signals() -> None:
    """Let SIGTERM be an orderly end, too; whoever started us may have had SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: _interrupt())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
