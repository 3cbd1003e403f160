"""The queue of scripts, and the running of one after the other.

`run` belongs to the main thread, since only there a signal gets at a script that waits in C code; all else may be called by any thread.
A request turns the status to running before it leaves the queue: at no moment is the daemon idle with something waiting.
Source: docs/reference/contracts/control.md, "Scripts".
"""

import logging
import random
import signal
import threading
import time
import traceback
from bdb import BdbQuit
from collections import deque
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Protocol

from testbeam.errors import ControlError, TestbeamError
from testbeam.services.control.commands.flow import Flow, ScriptStopped
from testbeam.services.control.daemon.debugger import Debugger, script_frame
from testbeam.services.control.daemon.messages import Messages
from testbeam.services.control.daemon.script import LOOK, Request, code_of
from testbeam.services.control.daemon.users import User
from testbeam.wire.nicos.daemon_words import BreakLevel, Event, MessageLevel, ScriptStatus

_LOOK_S = 0.2
_PUTTING_RIGHT_S = 2.0  # what a script may take behind an emergency stop before the next one is raised wherever it is
_LONGEST_PAUSE_S = 0.002
_INTERRUPT = signal.SIGUSR1


class Emit(Protocol):
    """Tells all clients of an event."""

    def __call__(self, event: Event, data: Any) -> None:
        """Tell."""


class Controller:
    """Runs scripts in `namespace`; `after_stop` is called after an emergency stop has ended the script."""

    def __init__(self, namespace: dict[str, Any], messages: Messages, emit: Emit) -> None:
        self.namespace = namespace
        self.flow = Flow(self._tell_status)
        self.current: Request | None = None
        self.last: Request | None = None
        self.controlling: User | None = None
        self.controlling_since_s = 0.0
        self._messages = messages
        self._emit = emit
        self._queue: deque[Request] = deque()
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._interruptible = False
        self._ended = threading.Event()
        self._thread = threading.main_thread().ident or 0
        self.on_emergency: Callable[[], None] | None = None
        self.on_begin: Callable[[Request], None] = lambda _request: None
        self.on_end: Callable[[], None] = lambda: None
        self._debugger: Debugger | None = None

    @property
    def requests(self) -> list[dict[str, Any]]:
        """Return what waits."""
        with self._lock:
            return [one.for_clients() for one in self._queue]

    @property
    def status(self) -> tuple[int, int]:
        """Return status and line."""
        with self._lock:
            return int(self.flow.status), self.flow.line_number

    def submit(self, request: Request, *, only_if_idle: bool = False) -> str:
        """Put a script at the end of the queue; return its id.

        Raises:
            ControlError: it is no Python; or another runs or waits, and it was only to be started if not.
        """
        request.parse()
        with self._lock:
            if only_if_idle and (self.flow.is_running or self._queue):
                raise ControlError("a script is already running; queue this one")
            self._emit(Event.REQUEST, request.for_clients())
            self.flow.claim()
            self._queue.append(request)
        self._wake.set()
        return request.reqid

    def block(self, reqids: Sequence[str] | None = None) -> list[str]:
        """Take scripts off the queue, or all; return their ids. Raise ControlError where one does not wait."""
        with self._lock:
            waiting = [one.reqid for one in self._queue]
            if reqids is not None and (unknown := [one for one in reqids if one not in waiting]):
                raise ControlError(f"script {unknown[0]} does not wait; it may be executing already")
            gone = waiting if reqids is None else list(reqids)
            self._queue = deque(one for one in self._queue if one.reqid not in gone)
            if gone:
                self._emit(Event.BLOCKED, gone)
        return gone

    def rearrange(self, reqids: Sequence[str]) -> None:
        """Bring the queue into another order; raise ControlError where the ids are not those that wait."""
        with self._lock:
            waiting = {one.reqid: one for one in self._queue}
            if sorted(waiting) != sorted(reqids):
                raise ControlError("the ids are not those of the scripts that wait")
            self._queue = deque(waiting[reqid] for reqid in reqids)
            self._emit(Event.REARRANGED, list(reqids))

    def update(self, reqid: str | None, text: str, reason: str, user: User) -> None:
        """Give a script another text; raise ControlError where that can't be."""
        with self._lock:
            current = self.current
            request = next((one for one in self._queue if one.reqid == reqid), None)
            if request is None and current is not None and reqid in (None, "", current.reqid):
                request = current
            if request is None:
                raise ControlError("script doesn't exist")
            request.update(text)
            self._emit(Event.PROCESSING if request is current else Event.UPDATED, request.for_clients())
        self._messages.add("", MessageLevel.INFO, f"script updated by {user.name}{f': {reason}' if reason else ''}")

    def stop(self, level: int, user: User) -> None:
        """Stop the script and take all that waits off the queue; a stop after a stop is an emergency stop."""
        if self.flow.is_stopping:
            level = BreakLevel.IMMEDIATE
        self.block()
        self._messages.add("", MessageLevel.INFO, f"stop requested by {user.name}")
        if level >= BreakLevel.IMMEDIATE:
            self._stop_now(user)
        else:
            self.flow.request_stop(level, user.name)

    def emergency(self, user: User) -> None:
        """Stop the script and everything that moves, now."""
        self.block()
        self._messages.add("", MessageLevel.WARNING, f"immediate stop requested by {user.name}")
        if self.flow.is_running:
            self._stop_now(user)
        elif self.on_emergency is not None:
            threading.Thread(target=self.on_emergency, name="emergency-stop", daemon=True).start()

    def _stop_now(self, user: User) -> None:
        """Raise a stop wherever the script is; one that outlives it, as it catches everything, is not let go of the next time."""
        if self.flow.outlives_a_stop and time.monotonic() - self.flow.stopping_since_s > _PUTTING_RIGHT_S:
            self._messages.add("", MessageLevel.WARNING, "the script has outlived an emergency stop; it is ended whatever it catches")
            self._end_relentlessly()
            return
        self.flow.request_stop(BreakLevel.IMMEDIATE, user.name)
        self._interrupt()

    def _end_relentlessly(self) -> None:
        """Raise the stop again and again, until the script of now has ended."""
        if not self.flow.relentless:
            self.flow.relentless = True
            threading.Thread(target=self._pursue, args=(self.current,), name="stop-pursuer", daemon=True).start()

    def _pursue(self, request: Request | None) -> None:
        while request is not None and self.current is request:
            self._interrupt()
            time.sleep(random.uniform(0, _LONGEST_PAUSE_S))  # at random, so that one falls between two waits of a loop

    def debug(self, request: Request | None) -> str | None:
        """Run a script in the debugger, or stop the one under way in it; return the id of a new one.

        Raises:
            ControlError: another runs or waits, none runs, or the debugger has it already.
        """
        if request is None and not self.flow.is_running:
            raise ControlError("no script is running now, and none was given to be debugged")
        if self._debugger is not None:
            raise ControlError("the debugger has the script already")
        if request is not None:
            request.debugged = True
            return self.submit(request, only_if_idle=True)
        self._debugger = self._new_debugger()
        self.flow.on_line = self._stop_in_debugger
        return None

    def debug_input(self, line: str) -> None:
        """Give a line to the debugger; raise ControlError where there is none."""
        if self._debugger is None:
            raise ControlError("no script is in the debugger")
        self._debugger.give(line)

    def run(self, stop: threading.Event) -> None:
        """Run scripts until told to stop; then the one under way is stopped, too."""
        signal.signal(_INTERRUPT, self._interrupted)
        watcher = threading.Thread(target=self._stop_with, args=(stop,), name="stop-watcher", daemon=True)
        watcher.start()
        while not stop.is_set():
            request = self._next()
            if request is None:
                self._wake.wait(_LOOK_S)
                self._wake.clear()
            else:
                self._run(request)
        self._ended.set()

    def location(self) -> str:
        """Return where the script is, as a stack of lines."""
        import sys

        frame = sys._current_frames().get(self._thread)  # noqa: SLF001 — the only way to another thread's stack
        return "".join(traceback.format_stack(frame)) if frame is not None and self.current is not None else "no script is running"

    def _next(self) -> Request | None:
        with self._lock:
            if not self._queue:
                if self.flow.is_running:  # what waited was taken off before it began
                    self.flow.end(failed=False)
                return None
            self.flow.claim()
            self.current = self._queue.popleft()
            return self.current

    def _run(self, request: Request) -> None:
        self._messages.script_thread, self._messages.script_request = threading.get_ident(), request.reqid
        self._emit(Event.PROCESSING, request.for_clients())
        self._messages.add("", MessageLevel.INPUT, _prompt(request))
        self.flow.begin()
        self.on_begin(request)
        success = False
        try:
            self._run_statements(request)
            success = True
        except ScriptStopped as stopped:
            self._note_stop(stopped)
        except BdbQuit:
            self._messages.add("", MessageLevel.WARNING, "Script ended by the debugger")
        except BaseException as error:
            self._note_error(error)
        finally:
            self._messages.script_request = ""
            self.on_end()
            if self._debugger is not None:
                self._debugger.let_go()
            self._end_debugger()
            with self._lock:
                self.last, self.current = request, None
                self.flow.reset()
                if not self._queue:
                    self.flow.end(failed=not success)
            self._emit(Event.DONE, request.for_clients() | {"success": success})

    def _run_statements(self, request: Request) -> None:
        self.namespace[LOOK] = self.flow.line
        if request.is_lone_expression():
            value = self._interruptibly(lambda: eval(request.text.strip(), self.namespace))  # noqa: S307 — a user's script, by the daemon's purpose
            if value is not None:
                self._messages.add("", MessageLevel.INFO, f"{value!r}")
            return
        if request.debugged:
            self._interruptibly(lambda: self._run_in_debugger(request))
            return
        while request.done < len(request.statements):
            statement = request.statements[request.done]
            request.done += 1
            code = code_of(statement, request.name)
            self._interruptibly(lambda code=code: exec(code, self.namespace))  # type: ignore[misc]  # noqa: S102 — a user's script
        self.flow.breakpoint(BreakLevel.AFTER_LINE)

    def _run_in_debugger(self, request: Request) -> None:
        """Run a script as one piece, without looks at the flow, which would show as steps."""
        code = compile(request.text, request.name or "<script>", "exec")
        request.done = len(request.statements)
        debugger = self._debugger = self._new_debugger()
        debugger.run_script(code, self.namespace)

    def _new_debugger(self) -> Debugger:
        self._emit(Event.DEBUGGING, True)
        return Debugger(self._messages.say, self._end_debugger)

    def _stop_in_debugger(self) -> None:
        """Have the debugger take the script from its next line on; called by the script's thread."""
        self.flow.on_line = None
        frame = script_frame(self.current.name if self.current is not None else "")
        if self._debugger is not None and frame is not None:
            self._debugger.set_trace(frame)

    def _end_debugger(self) -> None:
        if self._debugger is not None:
            self._debugger, self.flow.on_line = None, None
            self._emit(Event.DEBUGGING, False)

    def _interruptibly(self, run: Callable[[], Any]) -> Any:
        self._interruptible = True
        try:
            return run()
        finally:
            self._interruptible = False

    def _interrupted(self, _number: int, frame: FrameType | None) -> None:
        """Raise the stop where the script is, be it in the midst of a wait; called in the script's own thread."""
        where = frame.f_code if frame is not None else None
        if not self._interruptible or where is Controller._interruptibly.__code__:
            return  # between two statements, before each of which the flow is looked at
        if self.flow.relentless and where is not None and where.co_filename == logging.__file__:
            return  # a lock of the log's would never be given back; the next one comes at once
        self.flow.check_stop(BreakLevel.IMMEDIATE)

    def _interrupt(self) -> None:
        signal.pthread_kill(self._thread, _INTERRUPT)

    def _stop_with(self, stop: threading.Event) -> None:
        stop.wait()
        self._wake.set()
        if self.flow.is_running:
            self.flow.request_stop(BreakLevel.IMMEDIATE, "the daemon's end")
            self._interrupt()
            if not self._ended.wait(_PUTTING_RIGHT_S):
                self._end_relentlessly()

    def _note_stop(self, stopped: ScriptStopped) -> None:
        self._messages.add("", MessageLevel.WARNING, f"Script {stopped}")
        if stopped.level >= BreakLevel.IMMEDIATE and self.on_emergency is not None:
            self.on_emergency()

    def _note_error(self, error: BaseException) -> None:
        try:
            text = str(error) if isinstance(error, TestbeamError) else f"{type(error).__name__}: {error}"
            trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        except Exception as another:  # of a text of the error's own, or a file name that can't be looked for
            text, trace = f"{type(error).__name__}, which can't be told: {type(another).__name__}", ""
        if self.current is not None and self.flow.line_number > 0:
            text = f"{text} (line {self.flow.line_number})"
        self._messages.add("", MessageLevel.ERROR, text, trace)

    def _tell_status(self, status: ScriptStatus, line: int) -> None:
        self._emit(Event.STATUS, [int(status), line])


def _prompt(request: Request) -> str:
    text = request.text.rstrip("\n")
    return f">>> [{request.user.name}] {request.name or ''} {text if text.count(chr(10)) < 20 else text[:500] + ' …'}"
