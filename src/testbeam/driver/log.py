"""Log of a test while it runs: lines with their depth, and its subtests with their times."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Say = Callable[[str], None]


@dataclass(slots=True)
class Subtest:
    """One `with subtest(name)` block; `problem` is empty where it went well."""

    name: str
    begin: float
    elapsed_s: float = 0.0
    problem: str = ""


@dataclass(slots=True)
class TestLog:
    """Prints lines, and keeps them and the subtests."""

    __test__ = False

    out: Say = field(default=lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201 — a driver speaks to its user
    lines: list[tuple[float, str]] = field(default_factory=list)
    subtests: list[Subtest] = field(default_factory=list)
    depth: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def say(self, text: str) -> None:
        """Print a line at the depth of now."""
        with self._lock:
            line = "  " * self.depth + text
            self.lines.append((time.time(), line))
            self.out(line)

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """Set what is printed within the block one step to the right."""
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    @contextmanager
    def subtest(self, name: str) -> Iterator[None]:
        """Group what is done within the block under a name."""
        entry = Subtest(name, time.time())
        self.subtests.append(entry)
        self.say(f"subtest: {name}")
        try:
            with self.deeper():
                yield
        except BaseException as error:
            entry.problem = f"{type(error).__name__}: {error}"
            self.say(f"subtest {name!r} failed")
            raise
        finally:
            entry.elapsed_s = time.time() - entry.begin

    # the words of NixOS' logger

    def log(self, message: str, _attributes: Any = None) -> None:
        """Print a line."""
        self.say(message)

    info = warning = error = debug = log

    @contextmanager
    def nested(self, message: str, _attributes: Any = None) -> Iterator[None]:
        """Print a line and set what follows one step to the right."""
        self.say(message)
        with self.deeper():
            yield
