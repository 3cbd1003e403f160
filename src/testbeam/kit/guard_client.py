"""How the runner talks to its guard: orders go out, and one thread takes in what the guard saw."""

import itertools
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from testbeam.errors import StackError
from testbeam.kit import guard as guard_file
from testbeam.kit.process import CommandLine, Listener, Process

LOG = logging.getLogger(__name__)

Message = dict[str, Any]


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
        argv = [sys.executable, "-I", "-S", _program(), str(theirs.fileno()), self.run_id, str(os.getpid())]
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
                "yields": line.yields,
            }
        )
        if self.dead:
            process.guard_died()
        return process

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


def _program() -> str:
    """Return the guard's compiled file, which is up 5 ms sooner, or its source where the two are not surely the same."""
    source = guard_file.__file__
    compiled = cache_from_source(source)
    try:
        with Path(compiled).open("rb") as file:
            header = file.read(16)
        status = Path(source).stat()
    except OSError:
        return source
    # The header of a compiled file: magic number, flags (0: checked by time), time and size of the source; see PEP 552.
    same = header[4:] == b"\0\0\0\0" + b"".join(
        (int(number) & 0xFFFFFFFF).to_bytes(4, "little") for number in (status.st_mtime, status.st_size)
    )
    return compiled if same else source
