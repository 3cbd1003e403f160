"""Polling of a condition until it holds, with a deadline and a growing pause; and one such condition, that processes stand still."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from testbeam.kit import guard
from testbeam.kit.spec import ProbeResult
from testbeam.model.deadline import Deadline

T = TypeVar("T")

SHORTEST_PAUSE_S = 0.005
LONGEST_PAUSE_S = 0.1
OBEYED_S = 10.0  # for SIGSTOP: a process in the middle of a disk access is stopped only after it
RETURN_S = 0.5  # for an attempt that is under way when the time is up
WAKE_S = 0.1
SHARE = 0.1  # of the time waited so far: readiness is seen at most a tenth too late, however long it takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """How a wait ended: `seen` is the result of the last attempt; `cut_short` that the pause was ended from outside."""

    seen: ProbeResult
    attempts: int
    elapsed_s: float
    cut_short: bool = False


def wait_until(
    attempt: Callable[[], ProbeResult],
    *,
    timeout_s: float,
    pause: Callable[[float], bool],
    clock: Callable[[], float] = time.monotonic,
    on_change: Callable[[ProbeResult], None] = lambda _: None,
) -> Waited:
    """Try until ready, the deadline, or a pause that says it is in vain (returns True).

    Always tries at least once. on_change: called with each result that differs from the one before.
    """
    started_s = clock()
    attempts, last = 0, ProbeResult(ready=False, detail="nothing yet")
    while True:
        seen, attempts = safely(attempt), attempts + 1
        if seen != last:
            on_change(seen)
        last = seen
        elapsed_s = clock() - started_s
        if seen.ready or elapsed_s >= timeout_s:
            return Waited(seen=seen, attempts=attempts, elapsed_s=elapsed_s)
        pause_s = min(max(elapsed_s * SHARE, SHORTEST_PAUSE_S), LONGEST_PAUSE_S, timeout_s - elapsed_s)
        if pause(pause_s):
            return Waited(seen=seen, attempts=attempts, elapsed_s=clock() - started_s, cut_short=True)


class NotReturned(Exception):
    """A call that was made in a thread of its own has not returned in time."""


def call(work: Callable[[], T], *, timeout_s: float, wake: threading.Event, name: str) -> T:
    """Return what `work` returns, or raise what it raises; it runs in a thread of its own, so that one that hangs keeps nobody.

    It has `timeout_s` and a margin for its last attempt, or the margin alone once `wake` is set.

    Raises:
        NotReturned: it has not returned; its thread, a daemon, is left behind.
    """
    done, results, errors = threading.Event(), list[T](), list[BaseException]()

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # carried to the thread that waits for this one
            errors.append(error)
        done.set()

    threading.Thread(target=run, name=name, daemon=True).start()
    deadline = Deadline(timeout_s + RETURN_S)
    while not done.wait(min(WAKE_S, deadline.left_s)):
        if deadline.passed or (wake.is_set() and not done.wait(RETURN_S)):
            raise NotReturned
    if errors:
        raise errors[0]
    return results[0]


def safely(attempt: Callable[[], ProbeResult]) -> ProbeResult:
    """Return the result of an attempt; an exception is "not ready" in its own words."""
    try:
        return attempt()
    except Exception as error:  # a probe is anybody's code, and the wait must report, not die
        return ProbeResult(ready=False, detail=words_of(error))


def words_of(error: Exception) -> str:
    """Return what went wrong with an attempt in a reader's words: that nothing listens yet is no error of a start."""
    return "not listening yet" if isinstance(error, ConnectionRefusedError) else f"{type(error).__name__}: {error}"


def stands_still(pid: int, *, stopped: bool = True) -> ProbeResult:
    """Tell whether a process and all that descend from it are stopped, or all go on; the detail names those that are not so."""
    states = {each: kernel_state(each) for each in (pid, *guard.descendants(pid))}
    wrong = {each: state for each, state in states.items() if state not in "ZX" and (state == "T") is not stopped}
    return ProbeResult(ready=not wrong, detail=", ".join(f"pid {each} is {state}" for each, state in wrong.items()))


def kernel_state(pid: int) -> str:
    """Return how the kernel sees a process: R, S, D, T (stopped), Z, or X where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"
