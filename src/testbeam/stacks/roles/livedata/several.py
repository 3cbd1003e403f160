"""Several programs as one service: started together, their output passed on, ended together.

`python -m testbeam.stacks.roles.livedata.several --ready TEXT [--ready TEXT …] JSON`, JSON a list of command lines. Once each has said
every TEXT, "all are ready" is said; if one ends, the others are ended and its exit code is theirs.
"""

import argparse
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO

ALL_READY = "all are ready"
_LEAVE_S = 8.0
_LOOK_S = 0.05


def main(argv: Sequence[str] | None = None) -> int:
    """Run the programs until told to stop, or until one ends; return the exit code."""
    parser = argparse.ArgumentParser(prog="several")
    parser.add_argument("--ready", action="append", default=[])
    parser.add_argument("commands")
    arguments = parser.parse_args(argv)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    missing = _Missing(arguments.ready)
    programs = [_start(command, missing) for command in json.loads(arguments.commands)]
    missing.started()
    while not stop.wait(_LOOK_S) and all(program.poll() is None for program in programs):
        pass
    ended = next((program.returncode for program in programs if program.returncode), 0)
    _end(programs)
    return 0 if stop.is_set() else ended or 1


class _Missing:
    """What programs have still to say before all are ready."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = tuple(texts)
        self._left: set[tuple[int, str]] = set()
        self._lock = threading.Lock()
        self._are_all_started = False

    def add(self, pid: int) -> None:
        with self._lock:
            self._left |= {(pid, text) for text in self._texts}

    def started(self) -> None:
        self._are_all_started = True
        self._look()

    def said(self, pid: int, line: str) -> None:
        with self._lock:
            before = len(self._left)
            self._left -= {(pid, text) for text in self._texts if text in line}
            changed = len(self._left) != before
        if changed:
            self._look()

    def _look(self) -> None:
        if self._are_all_started and not self._left:
            sys.stdout.write(f"{ALL_READY}\n")
            sys.stdout.flush()


def _start(command: Sequence[str], missing: _Missing) -> "subprocess.Popen[str]":
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    missing.add(program.pid)
    assert program.stdout is not None
    threading.Thread(target=_pass_on, args=(program.stdout, program.pid, missing), daemon=True).start()
    return program


def _pass_on(output: IO[str], pid: int, missing: _Missing) -> None:
    for line in output:
        sys.stdout.write(line)
        sys.stdout.flush()
        missing.said(pid, line)


def _end(programs: Sequence["subprocess.Popen[str]"]) -> None:
    for program in programs:
        if program.poll() is None:
            program.terminate()
    for program in programs:
        try:
            program.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()


if __name__ == "__main__":
    sys.exit(main())
