"""What the runner knows of one process that the guard has spawned for it."""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """What to spawn: words, whole environment, folder, and the files that its output goes to (None: the user's terminal).

    `at_end` is what the guard runs when the run is over, however that comes. With `yields` it takes the processor only where nobody
    else wants it, until it is promoted.
    """

    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: Path
    stdout: Path | None = None
    stderr: Path | None = None
    at_end: tuple[tuple[str, ...], ...] = ()
    yields: bool = False


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

    def promote(self) -> None:
        """Let it compete for the processor as everybody does."""
        self.order({"do": "promote", "job": self.job})

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 10.0) -> None:
        """Ask it and its descendants to end, and have them killed after the time-out; don't wait."""
        self.order({"do": "stop", "job": self.job, "signal": int(number), "timeout_s": timeout_s})

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
                self.exit_code = message["code"]
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
        return f"{refusal.filename}: {refusal.strerror}; mend that, or run in another folder"
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
