"""Commands on a machine: run by bash, `set -euo pipefail`, standard output returned, standard error logged.

Source: docs/reference/contracts/ioc.md, "Driver".
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from testbeam.driver.waiting import Waits

TIMED_OUT = 124
_HELD_S = 2.0  # a child that goes on may hold the output for so long
_LOOK_S = 0.05

Log = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a command."""

    code: int
    output: str
    errors: str
    elapsed_s: float
    session: int = 0  # whose processes it may have left behind


def run(command: str, environment: Mapping[str, str], folder: Path, timeout_s: float | None, waits: Waits, log: Log) -> Outcome:
    """Run one command to its end."""
    begin = time.monotonic()
    process = subprocess.Popen(
        ["bash", "-c", f"set -euo pipefail\n{command}"],
        env=dict(environment),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    readers = (_Reader(process.stdout), _Reader(process.stderr))
    timed_out = not _wait(process, begin, timeout_s, waits)
    waits_s = 0.0 if timed_out else _HELD_S
    held = not all(reader.done.wait(waits_s) for reader in readers)
    output, errors = (reader.text() for reader in readers)
    if held and not timed_out:
        log(
            f"a process that `{command}` left behind still holds its output; what it had written by then is taken. "
            "Redirect it: COMMAND >&2 &  or  >/dev/null 2>&1 &"
        )
    code = TIMED_OUT if timed_out else process.returncode
    return Outcome(
        code=code if code >= 0 else 128 - code, output=output, errors=errors, elapsed_s=time.monotonic() - begin, session=process.pid
    )


def _wait(process: subprocess.Popen[bytes], begin: float, timeout_s: float | None, waits: Waits) -> bool:
    """Wait for the end; tell whether it came in time. What is late is killed with its whole session."""
    try:
        while process.poll() is None:
            if timeout_s is not None and time.monotonic() - begin > timeout_s:
                kill_session(process.pid)
                process.wait()
                return False
            try:
                process.wait(_LOOK_S)
            except subprocess.TimeoutExpired:
                waits.look_after_conditions()
    except BaseException:
        kill_session(process.pid)
        process.wait()
        raise
    return True


def kill_session(leader: int) -> None:
    """Kill all processes of a session."""
    kill_sessions([leader])


def kill_sessions(leaders: Sequence[int]) -> None:
    """Kill all processes of sessions; the leaders may have ended, and another process have their number by now, which leads none."""
    wanted = set(leaders)
    for pid, session in _processes():
        if session in wanted:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _processes() -> Iterator[tuple[int, int]]:
    """Yield every process with its session."""
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = Path(entry.path, "stat").read_bytes()
                yield int(entry.name), int(stat.rpartition(b")")[2].split()[3])


class _Reader:
    """Reads a stream in a thread of its own, so that neither fills up."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.done = threading.Event()
        self._stream = stream
        self._data = bytearray()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        fd = self._stream.fileno()
        while True:
            try:
                data = os.read(fd, 65_536)
            except OSError:
                break
            if not data:
                break
            self._data += data
        self.done.set()
        self._stream.close()

    def text(self) -> str:
        return bytes(self._data).decode("utf-8", "replace")
