"""Client of the guard process: orders go out, and one thread takes in what the guard saw of each process."""

import itertools
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from testbeam.errors import StackError
from testbeam.kit import guard as guard_file

LOG = logging.getLogger(__name__)

Message = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """What to spawn: words, whole environment, folder, and the files that its output goes to (None: the user's terminal).

    `at_end` is what the guard runs when the run is over, however that comes.
    """

    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: Path
    stdout: Path | None = None
    stderr: Path | None = None
    at_end: tuple[tuple[str, ...], ...] = ()


@dataclass(eq=False, slots=True)
class Process:
    """One process from the order to spawn it until nothing of it is left; the guard's reader thread keeps it up to date.

    `exit_code` is negative for a signal; `refusal` says why it could not be spawned; `lost` that the guard itself died.
    """

    job: int
    order: Callable[[dict[str, Any]], None]
    pid: int | None = None
    spawned_ns: int | None = None
    ended_ns: int | None = None
    exit_code: int | None = None
    refusal: OSError | None = None
    lost: bool = False
    killed: bool = False
    left: tuple[int, ...] = ()
    behind: tuple[int, ...] = ()  # what descends from it and ran on when it ended
    listener: "Listener | None" = None
    _told: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)
    _known: threading.Event = field(default_factory=threading.Event)
    _gone: threading.Event = field(default_factory=threading.Event)

    def is_running(self) -> bool:
        """Return whether it was ordered and has not ended."""
        return not self._ended.is_set()

    def is_gone(self) -> bool:
        """Return whether it was stopped and nothing that descends from it is left."""
        return self._gone.is_set()

    def send(self, number: int, *, tree: bool = True) -> None:
        """Send a signal to it, and by default to all that descend from it; an ended one gets none."""
        self.order({"do": "signal", "job": self.job, "signal": int(number), "tree": tree})

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 10.0, *, tree: bool = True) -> None:
        """Ask it, and by default its descendants, to end, and have all killed after the time-out; don't wait."""
        self.order({"do": "stop", "job": self.job, "signal": int(number), "timeout_s": timeout_s, "tree": tree})

    def wait_told(self, timeout_s: float | None = None) -> bool:
        """Wait until it is known whether it could be spawned."""
        return self._told.wait(timeout_s)

    def wait_ended(self, timeout_s: float | None = None) -> bool:
        """Wait until it has ended and whoever listens has taken that in; return False where the time was too short."""
        return self._known.wait(timeout_s)

    def wait_gone(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing is left of a process that was told to stop; return False where the time was too short."""
        return self._gone.wait(timeout_s)

    def ending(self) -> str:
        """Say in words how it ended."""
        if self.refusal is not None:
            return f"could not be spawned: {self.refusal.strerror}: {self.refusal.filename}"
        if self.lost:
            return "was lost with the guard process of the run"
        if self.exit_code is None:
            return "is running"
        if self.exit_code < 0:
            return f"was ended by {signal_name(-self.exit_code)}"
        return f"exited with code {self.exit_code}"

    def saw(self, message: dict[str, Any]) -> None:
        """Take in what the guard says of it."""
        match message["saw"]:
            case "spawned":
                self.pid, self.spawned_ns = message["pid"], message["at_ns"]
                self._told.set()
                self._tell("spawned")
            case "refused":
                self.refusal = OSError(message["errno"], message["what"], message["path"])
                self._end(message["at_ns"])
            case "exited":
                self.exit_code, self.behind = message["code"], tuple(message.get("behind", ()))
                self._end(message["at_ns"])
            case _:
                self.killed, self.left = message["killed"], tuple(message["left"])
                self._end(message["at_ns"])
                self._vanish()

    def guard_died(self) -> None:
        """Take in that nobody watches it any more; it was killed with the guard."""
        if not self._ended.is_set():
            self.lost = True
            self._end(time.monotonic_ns())
        self._vanish()

    def _end(self, at_ns: int) -> None:
        if self._ended.is_set():
            return
        self.ended_ns = at_ns
        self._ended.set()
        self._told.set()
        self._tell("ended")
        self._known.set()

    def _vanish(self) -> None:
        self._gone.set()
        self._tell("gone")

    def _tell(self, news: "News") -> None:
        if self.listener is not None:
            self.listener(self, news)


News = Literal["spawned", "ended", "gone"]
Listener = Callable[[Process, News], None]


def signal_name(number: int) -> str:
    """Return a signal's name as a reader knows it."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def why_not_spawned(refusal: OSError, line: CommandLine) -> str:
    """Say what is wrong with a command line that could not be spawned, and what to do."""
    if refusal.filename in {str(path) for path in (line.cwd, line.stdout, line.stderr)}:
        return f"{refusal.filename}: {refusal.strerror}; fix that, or run in another folder"
    command = line.argv[0]
    where = line.cwd / command
    if "/" not in command:
        return f"command not found: {command!r} is in no folder of PATH={line.env.get('PATH', '')}; install it or give its full path"
    if not where.exists():
        return f"command not found: there is no file {where}; build it or correct the path"
    if not os.access(where, os.X_OK):
        return f"{where} is not executable; chmod +x it"
    problem = f"{where} could not be executed ({refusal.strerror})"
    return f"{problem}; is it built for this machine, and does the interpreter in its first line exist?"


class GuardClient:
    """Starts the guard, hands out processes, and knows when the guard itself has died.

    on_death: called from the reader thread if the guard ends without being told to; by then its processes are killed.
    """

    def __init__(self, run_id: str, on_death: Callable[[str], None]) -> None:
        self.run_id = run_id
        self.guard_pid: int | None = None
        self.dead = False
        self._on_death = on_death
        self._jobs: dict[int, Process] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()  # two threads' orders must not mix within a line
        self._closing = False
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._watcher = self._start(theirs)
        self._hello = threading.Event()
        self._reader = threading.Thread(target=self._read, name=f"testbeam-guard-{run_id}", daemon=True)
        self._reader.start()

    def _start(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-I", "-S", guard_file.__file__, str(theirs.fileno()), self.run_id, str(os.getpid())]
        try:
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True, cwd="/")
        except OSError as error:
            self._channel.close()
            raise StackError(f"the guard process could not be started by {sys.executable}: {error}; see `ulimit -a`") from None

    @property
    def watcher_pid(self) -> int:
        """Return the pid of the guard's watcher, which is the runner's only child."""
        return self._watcher.pid

    def wait_hello(self, timeout_s: float) -> bool:
        """Wait until the guard says that it is there; processes may be spawned before."""
        return self._hello.wait(timeout_s)

    def spawn(self, line: CommandLine, listener: Listener | None = None) -> Process:
        """Order a process and return at once; the listener is called from the reader thread."""
        process = Process(next(self._numbers), self._order, listener=listener)
        self._jobs[process.job] = process
        stdout, stderr = (None if path is None else str(path) for path in (line.stdout, line.stderr or line.stdout))
        self._order(
            {
                "do": "spawn",
                "job": process.job,
                "argv": line.argv,
                "env": line.env,
                "cwd": str(line.cwd),
                "stdout": stdout,
                "stderr": stderr,
                "at_end": line.at_end,
            }
        )
        if self.dead:
            process.guard_died()
        return process

    def remove_folder_at_end(self, path: Path | None) -> None:
        """Have the guard remove a folder should the runner be killed; None for no folder."""
        self._order({"do": "folder", "path": "" if path is None else str(path)})

    def _order(self, message: Message) -> None:
        try:
            with self._lock:
                self._channel.sendall(guard_file.pack(message))
        except OSError:
            pass  # the guard is dead: the reader sees it, too, and says so once, to every process

    def _read(self) -> None:
        unread = b""
        try:
            while data := self._channel.recv(1 << 16):
                messages, unread = guard_file.unpack(unread + data)
                for message in messages:
                    self._saw(message)
        except (OSError, ValueError, EOFError):
            pass  # cut off in mid-word: the same as its end
        self._ended()

    def _saw(self, message: Message) -> None:
        if message["saw"] == "hello":
            self.guard_pid = message["pid"]
            self._hello.set()
            return
        process = self._jobs.get(message["job"])
        if process is None:
            return  # gone before; it was told to stop twice
        try:
            process.saw(message)
        except Exception:  # a listener's fault must not deafen the run
            LOG.exception("run %s: what the guard saw (%s) could not be taken in", self.run_id, message)
        if process.is_gone():
            del self._jobs[process.job]

    def _ended(self) -> None:
        self.dead = True
        if not self._closing:
            with suppress(OSError):
                self._channel.shutdown(socket.SHUT_RDWR)  # a guard that is only mad must end, too
            code = self._watcher.wait()  # it ends once it has killed all
            guard_file.kill_until_none(lambda: guard_file.marked(self.run_id), lambda: None)
            self._on_death(f"the guard process of the run died (its watcher ended with code {code})")
        for process in list(self._jobs.values()):
            process.guard_died()
        self._hello.set()

    def close(self, timeout_s: float = 15.0) -> None:
        """End the guard and, with it, every process that is left; wait for both.

        A guard that does not answer is killed; its watcher then does the same work.
        """
        self._closing = True
        self._order({"do": "exit"})
        try:
            self._watcher.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._kill_guard()
        self._reader.join(timeout_s)
        self._channel.close()

    def _kill_guard(self) -> None:
        for pid in (*guard_file.descendants(self._watcher.pid), self._watcher.pid):
            guard_file.send(pid, 9)
        self._watcher.wait()
        guard_file.kill_until_none(lambda: guard_file.marked(self.run_id), lambda: None)
