"""Examination of everything at once, none of it waited for beyond its deadline; and what a look has shown."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from testbeam.errors import TestbeamError


class State(StrEnum):
    """How well a machine is off."""

    GOOD = "good"
    LIMITED = "limited"  # something can't be done here; stacks run all the same
    LACKING = "lacking"  # the reference stack can't run here


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was seen, in words, and what to do about it."""

    state: State
    detail: str
    remedy: str = ""


def good(detail: str) -> Finding:
    """Return that all is well."""
    return Finding(state=State.GOOD, detail=detail)


def limited(detail: str, remedy: str) -> Finding:
    """Return that something can't be done, and how it could be."""
    return Finding(state=State.LIMITED, detail=detail, remedy=remedy)


def lacking(detail: str, remedy: str) -> Finding:
    """Return that the reference stack can't run, and what would fix it."""
    return Finding(state=State.LACKING, detail=detail, remedy=remedy)


Look = Callable[[], Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing to look at; `group` is the heading it stands under."""

    group: str
    name: str
    look: Look
    timeout_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A check with what it has shown and how long it took."""

    check: Check
    finding: Finding
    seconds: float


class _Looking:
    """One check under way, in a thread that nobody waits for if it hangs."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self.started_s = time.monotonic()
        self.done: Examined | None = None
        self._thread = threading.Thread(target=self._look, name=f"testbeam-doctor-{check.name}", daemon=True)
        self._thread.start()

    def result(self) -> Examined:
        """Wait for the end, or the deadline."""
        self._thread.join(max(self.started_s + self.check.timeout_s - time.monotonic(), 0.0))
        if self.done is not None:
            return self.done
        hangs = limited(f"no answer within {self.check.timeout_s:g} s", "look whether the machine is overloaded, and examine it again")
        return Examined(check=self.check, finding=hangs, seconds=self.check.timeout_s)

    def _look(self) -> None:
        finding = looked(self.check.look)
        self.done = Examined(check=self.check, finding=finding, seconds=time.monotonic() - self.started_s)


def examine(checks: Iterable[Check]) -> tuple[Examined, ...]:
    """Return what every check has shown, in their order; takes as long as the slowest, and at most its deadline."""
    under_way = [_Looking(check) for check in checks]
    return tuple(one.result() for one in under_way)


def looked(look: Look) -> Finding:
    """Return what a look has shown; one that fails shows that, too."""
    try:
        return look()
    except TestbeamError as error:
        return limited(str(error), "")
    except Exception as error:  # a machine may be odd in ways that no check foresees, and the others still tell something
        return limited(f"the look itself failed: {type(error).__name__}: {error}", "report it with the output of testbeam doctor --json -")


def is_fit(examined: Iterable[Examined]) -> bool:
    """Tell whether nothing that the reference stack needs is lacking."""
    return all(one.finding.state is not State.LACKING for one in examined)
