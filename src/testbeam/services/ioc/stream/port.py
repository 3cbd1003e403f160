"""Ports of an IOC: one thread each, which runs protocols one after the other and gives input to those that wait for it.

A port is what a record's protocol locks. While nothing is running it listens, so that records with I/O Intr hear what their device says
by itself, and connects again when it has lost its device.
Source: docs/reference/contracts/ioc.md, "How a protocol runs".
"""

import logging
import math
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from testbeam.services.ioc.stream.connections import Connection, receive, send
from testbeam.services.ioc.stream.transcript import Transcript
from testbeam.wire.streamdevice.coding import show
from testbeam.wire.streamdevice.conversation import Answer, Lock, Read, Request, Result, Talk, Write
from testbeam.wire.streamdevice.program import Connect, Disconnect, Wait

log = logging.getLogger("ioc")

CONNECT_TIMEOUT_S = 0.5
RETRY_S = 2.0  # between attempts to reach a device that was lost
FIRST_RETRY_S = 0.2  # … that has never been reached yet
_PRIORITIES = 3
_LONGEST = 64 << 20  # bytes of one message
_KEPT = 1 << 20  # bytes of input that nobody has read yet
_MOMENT_S = 5.0
_FLUSH_S = 0.5  # a device that never falls silent is written to all the same


class Owner(Protocol):
    """Whose protocol runs."""

    @property
    def name(self) -> str:
        """Return the record's name."""

    def finish(self, task: "Task", result: Result) -> None:
        """Take note of the end."""

    def report(self, message: str) -> None:
        """Tell the user about a problem."""


@dataclass(slots=True, eq=False, kw_only=True)
class Task:
    """A protocol that runs or waits for its port."""

    owner: Owner
    talk: Talk
    request: Request | None = None  # what it waits for
    priority: int = 0
    deadline: float | None = None  # of its wait for the port
    buffer: bytearray = field(default_factory=bytearray)  # input of a task that waits for I/O Intr
    silent_at: float | None = None  # when that input counts as a message without terminator
    cancelled: bool = False


@dataclass(slots=True)
class Options:
    """What start-up files set about a port."""

    input_terminator: bytes = b""
    output_terminator: bytes = b""
    auto_connect: bool = True
    enabled: bool = True
    disconnect_on_timeout: bool = False


class Port:
    """A port and its thread; `execute` runs a command of the IOC shell, `connected` is told of each new connection."""

    def __init__(self, name: str, connection: Connection, transcript: Transcript, execute: Callable[[str], bool]) -> None:
        self.name = name
        self.connection = connection
        self.options = Options()
        self.on_connect: list[Callable[[], None]] = []
        self._transcript = transcript
        self._execute = execute
        self._fd: int | None = None
        self._ever = False  # it has been connected
        self._slow = False  # the last attempt ran into its time-out
        self._told_lost = ""
        self._tried_at = -_MOMENT_S
        self._queues: tuple[deque[Task], ...] = tuple(deque() for _ in range(_PRIORITIES))
        self._waiting: list[Task] = []  # for I/O Intr
        self._pending = bytearray()  # input that nobody has read yet
        self._owed: list[tuple[str, bytes]] = []  # writes whose protocol reads no answer
        self._told: set[str] = set()
        self._lock = threading.Lock()
        self._wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"port {name}", daemon=True)

    def start(self) -> None:
        """Start the thread, which connects at once unless it may not."""
        self._thread.start()

    def close(self) -> None:
        """End the thread and the connection."""
        self._closing = True
        self._alert()
        self._thread.join(_MOMENT_S)

    @property
    def connected(self) -> bool:
        """Tell whether the device is connected."""
        return self._fd is not None

    def submit(self, task: Task) -> None:
        """Let a task have the port when its turn comes; from any thread."""
        if isinstance(task.request, Read) and task.request.interrupt:
            self._waiting.append(task)
            self._alert()
            return
        if isinstance(task.request, Lock) and task.request.ms:
            task.deadline = time.monotonic() + task.request.ms / 1000
        with self._lock:
            self._queues[_PRIORITIES - 1 - min(max(task.priority, 0), _PRIORITIES - 1)].append(task)
        self._alert()

    def withdraw(self, task: Task) -> None:
        """Let a task end without its port, wherever it is; nothing is reported."""
        task.cancelled = True
        self._alert()

    def set_auto_connect(self, on: bool) -> None:
        """Let the port connect by itself, or not."""
        self.options.auto_connect = on
        self._alert()

    def _alert(self) -> None:
        with suppress(OSError):  # full: it is awake already; closed: it has ended
            os.write(self._waker, b"!")

    # --- the thread ---

    def _run(self) -> None:
        while not self._closing:
            self._keep_connected()
            task = self._next()
            if task is None:
                self._listen()
            elif not task.cancelled:
                self._serve(task)
        self._drop("the IOC stops")
        os.close(self._wake)
        os.close(self._waker)

    def _next(self) -> Task | None:
        with self._lock:
            return next((queue.popleft() for queue in self._queues if queue), None)

    def _listen(self) -> None:
        """Wait for input or a task, for as long as there is nothing else to do."""
        self._poll(self._until())
        self._end_silences()

    def _until(self) -> float:
        """Return when there is something to do without input."""
        times = [task.silent_at for task in self._waiting if task.silent_at is not None]
        if self._fd is None and self.options.auto_connect and self.options.enabled:
            times.append(self._tried_at + self._retry_s())
        return min(times, default=time.monotonic() + _MOMENT_S)

    def _retry_s(self) -> float:
        return RETRY_S if self._ever or self._slow else FIRST_RETRY_S

    # --- input ---

    def _poll(self, until: float) -> bool:
        """Wait for input until a time, or until there is another task; tell whether input has come."""
        poller = select.poll()
        poller.register(self._wake, select.POLLIN)
        if self._fd is not None:
            poller.register(self._fd, select.POLLIN)
        ready = {fd for fd, _ in poller.poll(max((until - time.monotonic()) * 1000, 0))}
        if self._wake in ready:
            os.read(self._wake, 4096)
        return self._fd is not None and self._fd in ready and self._take()

    def _take(self) -> bool:
        """Take what has arrived; tell whether it was anything."""
        assert self._fd is not None
        try:
            data = receive(self._fd)
        except OSError as error:
            self._drop(str(error.strerror or error))
            return False
        if data is None:
            self._drop("the device closed the connection")
            return False
        if data:
            self._arrived(data)
        return bool(data)

    def _arrived(self, data: bytes) -> None:
        self._transcript.log(self.name, "", "in", data)
        self._pending += data
        if len(self._pending) > _LONGEST:
            del self._pending[:-_KEPT]
        for task in tuple(self._waiting):
            if not task.cancelled:
                self._feed(task, data)

    def _feed(self, task: Task, data: bytes) -> None:
        """Give input to a task that waits for I/O Intr."""
        assert isinstance(task.request, Read)
        searched = len(task.buffer) if len(task.buffer) > _KEPT else 0  # what is left of a run before may hold whole messages
        task.buffer += data
        task.silent_at = time.monotonic() + task.request.read_ms / 1000
        self._hand_out(task, searched)
        if len(task.buffer) > _LONGEST:
            task.owner.report(f"{_LONGEST >> 20} MiB without the end of a message are thrown away")
            task.buffer.clear()

    def _hand_out(self, task: Task, searched: int) -> None:
        """Give a waiting task its messages one by one; what is left after its end belongs to the next run of the same protocol."""
        waiting: Task | None = task
        while waiting is not None and isinstance(waiting.request, Read):
            message = self._cut(waiting.buffer, waiting.request, searched)
            searched = 0
            if message is None:
                break
            self._resume(waiting, Answer(data=message))
            owner = waiting.owner
            waiting = next((other for other in self._waiting if other.owner is owner and not other.cancelled), None)
        if waiting is not None and not waiting.buffer:
            waiting.silent_at = None

    def _end_silences(self) -> None:
        """Take input that has stopped without a terminator for a message, where there is none to wait for; else drop it."""
        now = time.monotonic()
        for task in tuple(self._waiting):
            if task.cancelled:
                self._waiting.remove(task)
            elif task.silent_at is not None and task.silent_at <= now:
                message, task.silent_at = bytes(task.buffer), None
                task.buffer.clear()
                assert isinstance(task.request, Read)
                if not self._terminator(task.request) and not task.request.max_input:
                    self._resume(task, Answer(data=message))

    def _resume(self, task: Task, answer: Answer) -> None:
        """Let a task that waited for input look at it; if it goes on from there, it needs the port."""
        if not self._advance(task, answer):
            self._waiting.remove(task)
        elif not (isinstance(task.request, Read) and task.request.interrupt):
            self._waiting.remove(task)
            self.submit(task)

    def _terminator(self, request: Read) -> bytes:
        return self.options.input_terminator if request.terminator is None else request.terminator

    def _cut(self, buffer: bytearray, request: Read, searched: int = 0) -> bytes | None:
        """Take one message out of a buffer, or return None where its end has not come."""
        terminator = self._terminator(request)
        end = buffer.find(terminator, max(searched - len(terminator), 0)) if terminator else -1
        length = end + len(terminator)
        if request.max_input and len(buffer) >= request.max_input and not 0 <= end <= request.max_input:
            end = length = request.max_input
        if end < 0:
            return None
        message = bytes(buffer[:end])
        del buffer[:length]
        return message

    # --- one task ---

    def _serve(self, task: Task) -> None:
        """Run a protocol to its end, or until it waits for I/O Intr."""
        while task.request is not None and not task.cancelled:
            if isinstance(task.request, Read) and task.request.interrupt:
                self._waiting.append(task)
                return
            if not self._advance(task, self._answer(task, task.request)):
                return

    def _advance(self, task: Task, answer: Answer) -> bool:
        """Give a protocol its answer; tell whether it goes on. An error in it ends it, and nothing else."""
        try:
            task.request = task.talk.send(answer)
        except StopIteration as end:
            self._ended(task, end.value)
            return False
        except Exception as error:
            log.exception("%s: error in its protocol", task.owner.name)
            task.owner.report(f"error in its protocol: {type(error).__name__}: {error}")
            self._ended(task, Result.FAULT)
            return False
        return True

    def _ended(self, task: Task, result: Result) -> None:
        task.request = None
        self._transcript.log(self.name, task.owner.name, "result", note=result.value)
        if result is Result.SUCCESS and not self._unanswered(task):
            self._owed.clear()
        elif result is Result.MISMATCH and self._owed:
            task.owner.report(self._hint())
        if not task.cancelled:
            task.owner.finish(task, result)

    def _unanswered(self, task: Task) -> bool:
        return any(name == task.owner.name for name, _ in self._owed)

    def _hint(self) -> str:
        name, data = self._owed[-1]
        return (
            f'This may be the reply to "{show(data)}" of record {name}, whose protocol does not read one (in "…"; is missing after its out)'
        )

    def _answer(self, task: Task, request: Request) -> Answer:
        if isinstance(request, Lock):
            return self._locked(task)
        if isinstance(request, Write):
            return self._write(task, request)
        if isinstance(request, Read):
            return self._read(task, request)
        if isinstance(request, str):
            return Answer(result=Result.SUCCESS if self._execute(request) else Result.FAULT)
        if isinstance(request, Wait):
            self._pass(request.ms / 1000)
        elif isinstance(request, Connect):
            return Answer(result=Result.SUCCESS if self._connect(request.ms / 1000) else Result.FAULT)
        elif isinstance(request, Disconnect):
            self._drop("disconnected by its protocol")
        return Answer()

    def _locked(self, task: Task) -> Answer:
        if task.deadline is not None and time.monotonic() > task.deadline:
            return Answer(result=Result.LOCK_TIMEOUT)
        if not self.options.enabled:
            return Answer(result=Result.FAULT)
        if self._fd is None and not self._connect_now():
            return Answer(result=Result.OFFLINE)
        return Answer()

    def _connect_now(self) -> bool:
        """Try to connect, unless that has failed just now."""
        return time.monotonic() - self._tried_at >= self._retry_s() and self._connect(CONNECT_TIMEOUT_S)

    def _pass(self, seconds: float) -> None:
        """Let time pass; whoever waits for I/O Intr still hears."""
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until and not self._closing:
            self._poll(min(until, now + 0.1))
            self._expire()

    def _next_deadline(self) -> float:
        """Return when the first of those that wait for the port gives up."""
        with self._lock:
            return min((task.deadline for queue in self._queues for task in queue if task.deadline is not None), default=math.inf)

    def _expire(self) -> None:
        """End the tasks that have waited for the port for too long."""
        now = time.monotonic()
        with self._lock:
            late = [task for queue in self._queues for task in queue if task.deadline is not None and task.deadline < now]
            for queue in self._queues:
                for task in late:
                    if task in queue:
                        queue.remove(task)
        for task in late:
            if not task.cancelled:
                self._advance(task, Answer(result=Result.LOCK_TIMEOUT))

    # --- writing ---

    def _write(self, task: Task, request: Write) -> Answer:
        self._discard(task.owner)
        data = request.data if request.own_terminator else request.data + self.options.output_terminator
        for attempt in range(2):
            if self._fd is None and not self._connect(CONNECT_TIMEOUT_S):
                break
            assert self._fd is not None
            try:
                done = send(self._fd, data, request.ms / 1000)
            except OSError as error:
                self._drop(str(error.strerror or error))
                if attempt == 0:
                    continue
                break
            self._transcript.log(self.name, task.owner.name, "out", data[:done])
            if not request.answered:
                self._owed = [*self._owed[-9:], (task.owner.name, request.data)]
            return Answer(result=Result.SUCCESS if done == len(data) else Result.WRITE_TIMEOUT)
        return Answer(result=Result.FAULT)

    def _discard(self, owner: Owner) -> None:
        """Throw away what has arrived and nobody has read."""
        until = time.monotonic() + _FLUSH_S
        while self._fd is not None and self._take() and time.monotonic() < until:
            pass
        unread = bytes(self._pending)
        self._pending.clear()
        if unread and not self._waiting:
            self._note_unread(owner, unread)

    def _note_unread(self, owner: Owner, unread: bytes) -> None:
        writer, asked = self._owed[-1] if self._owed else (owner.name, b"")
        why = f'the reply to "{show(asked)}", which no command reads' if self._owed else "nobody has read it"
        self._transcript.log(self.name, writer, "unread", unread, why)
        if self._owed and writer not in self._told:
            self._told.add(writer)
            reply = show(unread[:60].rstrip(b"\r\n"))
            log.warning(
                '%s: its protocol does not read "%s", the reply to "%s"; add  in "%s";  after its out', writer, reply, show(asked), reply
            )
        self._owed.clear()

    # --- reading ---

    def _read(self, task: Task, request: Read) -> Answer:
        """Read one message: up to its terminator, its length, or a silence."""
        now = time.monotonic()
        until, searched, tell_at = now + (request.read_ms if self._pending else request.reply_ms) / 1000, 0, now + _MOMENT_S
        while True:
            message = self._cut(self._pending, request, searched)
            if message is not None:
                return Answer(data=message)
            searched = len(self._pending)
            if searched > _LONGEST - _KEPT:
                task.owner.report(f"Input has no end after {searched >> 20} MiB, and is given up")
                return Answer(result=Result.FAULT)
            if time.monotonic() > tell_at:
                task.owner.report(f"Input has no end yet after {_MOMENT_S:g} s and {searched} bytes; still reading")
                tell_at = math.inf
            if self._fd is None:
                return self._broken(request)
            if self._poll(min(until, self._next_deadline())):
                until = time.monotonic() + request.read_ms / 1000
            elif self._fd is not None and time.monotonic() >= until:
                return self._silence(request)
            self._expire()
            if task.cancelled or self._closing:
                return Answer(result=Result.ABORTED)

    def _broken(self, request: Read) -> Answer:
        """The connection is lost: what has come counts where no terminator is expected."""
        rest = bytes(self._pending)
        self._pending.clear()
        whole = bool(rest) and not self._terminator(request) and not request.max_input
        return Answer(result=Result.SUCCESS if whole else Result.FAULT, data=rest)

    def _silence(self, request: Read) -> Answer:
        rest = bytes(self._pending)
        self._pending.clear()
        if rest and not self._terminator(request) and not request.max_input:
            return Answer(data=rest)
        if self.options.disconnect_on_timeout:
            self._drop("disconnectOnReadTimeout")
        return Answer(result=Result.READ_TIMEOUT if rest else Result.REPLY_TIMEOUT, data=rest)

    # --- the connection ---

    def _keep_connected(self) -> None:
        due = time.monotonic() - self._tried_at >= self._retry_s()
        if self._fd is None and self.options.auto_connect and self.options.enabled and due:
            self._connect(CONNECT_TIMEOUT_S)

    def _connect(self, timeout_s: float) -> bool:
        if self._fd is not None:
            return True
        try:
            self._fd = self.connection.open(max(timeout_s, 0.001))
        except OSError as error:
            self._failed(error)
            return False
        finally:
            self._tried_at = time.monotonic()
        self._ever = True
        self._told_lost = ""
        self._pending.clear()
        self._transcript.log(self.name, "", "open", note=self.connection.target)
        log.info("port %s: connected to %s", self.name, self.connection.target)
        for told in self.on_connect:
            told()
        return True

    def _failed(self, error: OSError) -> None:
        """Say once why the device can't be reached."""
        self._slow = isinstance(error, TimeoutError)
        reason = error.strerror or str(error)
        if reason != self._told_lost:
            self._told_lost = reason
            self._transcript.log(self.name, "", "closed", note=f"{self.connection.target}: {reason}")
            log.warning("port %s: %s can't be reached: %s; trying again", self.name, self.connection.target, reason)

    def _drop(self, why: str) -> None:
        if self._fd is None:
            return
        self.connection.close()
        self._fd = None
        self._tried_at = time.monotonic()
        self._transcript.log(self.name, "", "closed", note=why)
        log.info("port %s: disconnected from %s: %s", self.name, self.connection.target, why)
