"""How a test runs a runner of its own, to be killed in every way, and sees what is left of its stack."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from testbeam.errors import ServiceDied
from testbeam.kit import guard
from testbeam.kit.journal import read
from testbeam.kit.run import Run
from testbeam.kit.stack import Stack
from tests.integration.kit.small_services import is_alive, pids_of

ROOT = Path(__file__).parents[3]


@dataclass
class Runner:
    """A runner process and the folder of its run."""

    process: subprocess.Popen[bytes]
    folder: Path
    kind: str

    def said(self) -> dict[str, Any]:
        """Wait until its stack is up; return what it says of itself."""
        until(lambda: (self.folder / "said").exists() or self.process.poll() is not None, 60)
        said: dict[str, Any] = json.loads((self.folder / "said").read_text())
        return said

    def pids(self) -> list[int]:
        """Return every process of its stack, guard and watcher included, known so far."""
        events = list(read(self.folder / "events.jsonl")) if (self.folder / "events.jsonl").exists() else []
        spawned = [int(event.data["pid"]) for event in events if event.kind == "spawned"]
        named = pids_of(self.folder / "stubborn") if (self.folder / "stubborn" / "pids").exists() else []
        run_ids = [event.data["run_id"] for event in events if event.kind == "run_started"]
        marked = [pid for run_id in run_ids for pid in guard.marked(run_id)]
        return sorted({*spawned, *named, *marked, *guard.descendants(self.process.pid)})

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """Leave nothing of it behind, whatever a test has found."""
        left = self.pids() if self.process.poll() is None else []
        self.process.kill()
        self.process.wait()
        for pid in left:
            guard.send(pid, signal.SIGKILL)


def start(folder: Path, kind: str) -> Runner:
    """Start a runner program."""
    argv = [sys.executable, "-m", "tests.integration.kit.runner_program", str(folder), kind]
    # As a terminal's foreground job: a session of its own, SIGINT not ignored.
    return Runner(subprocess.Popen(argv, cwd=ROOT, env=os.environ | {"PYTHONUNBUFFERED": "1"}, start_new_session=True), folder, kind)


@contextmanager
def poisoned(stack: Stack, error: str, **options: Any) -> Iterator[Run]:
    """Run a stack in which something crashes; its end must raise the error."""
    run = stack.run(**options)
    run.start()
    try:
        yield run
    finally:
        with pytest.raises(ServiceDied, match=error):
            run.__exit__(None, None, None)


def until(condition: Callable[[], bool], timeout_s: float) -> float:
    """Wait for a condition; return after how many seconds it came true, or fail."""
    started_s = time.monotonic()
    while not condition():
        assert time.monotonic() - started_s < timeout_s, f"not within {timeout_s:g} s"
        time.sleep(0.005)
    return time.monotonic() - started_s


def until_gone(pids: list[int], timeout_s: float = 1.0) -> float:
    """Wait until none of the processes runs; return after how many seconds."""
    assert pids
    started_s = time.monotonic()
    while left := [pid for pid in pids if is_alive(pid)]:
        assert time.monotonic() - started_s < timeout_s, f"still there after {timeout_s:g} s: {left}"
        time.sleep(0.005)
    return time.monotonic() - started_s
