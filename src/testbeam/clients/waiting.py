"""Waiting in tests: for a fact with a deadline, and with an error that says what was last seen."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from testbeam.errors import WaitTimeout
from testbeam.model.deadline import Deadline

T = TypeVar("T")

_POLL_S = 0.05


def wait_for_condition(condition: Callable[[], T | None], *, within_s: float = 10.0, what: str = "") -> T:
    """Return the first true value of `condition()`; a look that raises counts as "not yet".

    within_s: seconds; there is always one look at the very end.

    Raises:
        WaitTimeout: says what was waited for, how often it was looked for, and the last value or error.
    """
    what = what or getattr(condition, "__name__", "condition")
    deadline, looks = Deadline(within_s), 0
    while True:
        late = deadline.passed
        value, seen = _look(condition)
        looks += 1
        if value:
            return value
        if late:
            raise WaitTimeout(f"{what}: not within {within_s:g} s; looked {looks} times, last seen: {seen}")
        time.sleep(min(_POLL_S, deadline.left_s))


def retry(fn: Callable[[bool], bool], timeout: float = 900.0) -> None:
    """Call `fn(last)` until it returns true; `last` is true in the call after which no other comes (NixOS test driver's word).

    Raises:
        WaitTimeout: it was never true.
    """
    deadline = Deadline(timeout)
    while not deadline.passed:
        if fn(False):
            return
        time.sleep(_POLL_S)
    if not fn(True):
        raise WaitTimeout(f"{getattr(fn, '__name__', 'action')}: not done within {timeout:g} s, nor in the last try")


def collect_updates(poll: Callable[[], Iterable[T]], *, count: int, within_s: float = 10.0) -> list[T]:
    """Return the updates that repeated `poll()` gives, until there are `count`.

    Raises:
        WaitTimeout: fewer came in time; says how many, and the last one.
    """
    updates: list[T] = []

    def enough() -> bool:
        updates.extend(poll())
        return len(updates) >= count

    try:
        wait_for_condition(enough, within_s=within_s)
    except WaitTimeout:
        last = repr(updates[-1])[:200] if updates else "none"
        raise WaitTimeout(f"{count} updates: only {len(updates)} within {within_s:g} s; the last was {last}") from None
    return updates


@contextmanager
def subtest(name: str) -> Iterator[None]:
    """Name a part of a test, so that an error in it says in which part it happened."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in subtest {name!r}")
        raise


def _look(condition: Callable[[], T | None]) -> tuple[T | None, str]:
    try:
        value = condition()
    except Exception as error:  # a look at something that is not there yet
        return None, f"{type(error).__name__}: {error}"
    return value, repr(value)[:500]
