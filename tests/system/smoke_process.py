"""One `testbeam smoke` as a user starts it, and every process that descends from it."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def heed_ctrl_c() -> None:
    """Have SIGINT heeded, as at a prompt: a job in the background of a shell script inherits that it is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class Smoke:
    """Every process of the run inherits a variable by which it is found, whoever its parent is by then."""

    folder: Path
    words: tuple[str, ...] = ("--events", "80000")
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "testbeam", "smoke", "--json", f"{self.mark}.json", *self.words]
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=os.environ | {"SMOKE_MARK": self.mark},
                start_new_session=True,
                preexec_fn=heed_ctrl_c,
            )

    @property
    def output(self) -> Path:
        return self.folder / f"{self.mark}.txt"

    def said(self) -> str:
        return self.output.read_text()

    def wait_said(self, words: str, within_s: float = 120) -> None:
        end_s = time.monotonic() + within_s
        while words not in self.said():
            assert self.process.poll() is None, f"ended with {self.process.returncode} before {words!r}:\n{self.said()}"
            assert time.monotonic() < end_s, f"{words!r} was not said within {within_s} s:\n{self.said()}"
            time.sleep(0.02)

    def wait(self, within_s: float = 180) -> int:
        return self.process.wait(within_s)

    def outcome(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads((self.folder / f"{self.mark}.json").read_text())
        return answer

    def signal(self, number: signal.Signals) -> None:
        os.killpg(self.process.pid, number)

    def alive(self) -> dict[int, str]:
        """Return pid → command line of every process of this run."""
        wanted = f"SMOKE_MARK={self.mark}".encode()
        found = {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                try:
                    if wanted in (folder / "environ").read_bytes().split(b"\0"):
                        found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                except OSError:  # ended meanwhile
                    continue
        return {pid: words for pid, words in found.items() if words}

    def wait_processes(self, number: int, within_s: float = 60) -> None:
        end_s = time.monotonic() + within_s
        while len(self.alive()) < number:
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < end_s, f"only {self.alive()}"
            time.sleep(0.01)

    def wait_gone(self, within_s: float) -> dict[int, str]:
        """Return what is still there after `within_s`, or nothing as soon as nothing is."""
        end_s = time.monotonic() + within_s
        while (alive := self.alive()) and time.monotonic() < end_s:
            time.sleep(0.02)
        return alive
