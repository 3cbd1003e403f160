"""Waiting of the driver: every 50 ms, up to a deadline, with one last look after it; conditions are looked at meanwhile.

Source: docs/reference/contracts/ioc.md, "Driver".
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from testbeam.model.deadline import Deadline

POLL_S = 0.05
DEFAULT_TIMEOUT_S = 900.0


class RequestedAssertionFailed(AssertionError):
    """What a test asked for is not so."""


@dataclass(slots=True)
class Condition:
    """Something that must stay true; it is looked at during each wait, not more often than its interval."""

    check: Callable[[], Any]
    interval_s: float
    description: str
    looked_at: float = 0.0

    def hold(self) -> None:
        """Look, if it is time to.

        Raises:
            RequestedAssertionFailed: it is false.
        """
        now = time.monotonic()
        if now - self.looked_at < self.interval_s:
            return
        self.looked_at = now
        try:
            good = self.check()
        except Exception as error:
            raise RequestedAssertionFailed(f"polling condition failed: {self.description}: {error}") from error
        if good is False:
            raise RequestedAssertionFailed(f"polling condition failed: {self.description}")


@dataclass(slots=True)
class Waits:
    """The waits of one test: what it waits for now, which conditions must hold, and when all must be over."""

    deadline: float | None = None
    conditions: list[Condition] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    looking: bool = False

    @contextmanager
    def named(self, what: str) -> Iterator[None]:
        """Say what is waited for within the block."""
        self.pending.append(what)
        try:
            yield
        finally:
            self.pending.pop()

    def look_after_conditions(self) -> None:
        """Look at what must stay true.

        Raises:
            RequestedAssertionFailed: something is not, or the time of the whole test is over.
        """
        if self.deadline is not None and time.monotonic() > self.deadline:
            self.deadline = None  # what is done at the end may wait
            raise RequestedAssertionFailed(f"the time of the whole test is over while it waits for: {'; '.join(self.pending) or 'nothing'}")
        if self.looking:
            return
        self.looking = True
        try:
            for condition in self.conditions:
                condition.hold()
        finally:
            self.looking = False

    def until(self, look: Callable[[bool], Any], timeout_s: float, what: str) -> None:
        """Call `look(last)` until it is true; after the deadline once more, with True.

        Raises:
            RequestedAssertionFailed: it never was.
        """
        deadline = Deadline(timeout_s)
        with self.named(what):
            while not deadline.passed:
                self.look_after_conditions()
                if look(False):
                    return
                time.sleep(min(POLL_S, deadline.left_s))
            if not look(True):
                raise RequestedAssertionFailed(f"{what}: not within {timeout_s:g} s")
