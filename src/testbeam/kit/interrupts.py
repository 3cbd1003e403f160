"""Deferred SIGINT: inside `held()` Ctrl-C sets a flag and calls back instead of raising KeyboardInterrupt."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from queue import Empty, SimpleQueue
from typing import TypeVar

from testbeam.model.deadline import Deadline

T = TypeVar("T")


@dataclass(slots=True)
class Interrupt:
    """Whether Ctrl-C was pressed within a block, and what it is to do there.

    `react` runs in the signal handler, which the next Ctrl-C interrupts in its turn: it may put into a SimpleQueue, which is made
    for that, but take no lock, as threading.Event.set does.
    """

    react: Callable[[], None]
    pressed: bool = False


_LOOK_S = 0.2


def wait(event: threading.Event) -> None:
    """Wait for an event in the main thread, so that a signal ends the wait whenever it comes.

    Python looks for signals before a wait begins and when the kernel breaks it off: one that came in between would be seen with the event.
    """
    while not event.wait(_LOOK_S):
        pass


def get(events: "SimpleQueue[T]", within_s: float = inf) -> T:
    """Take the next event in the main thread, so that a signal is heard whenever it comes; see `wait`.

    Raises:
        Empty: none has come in time.
    """
    deadline = Deadline(within_s)
    while True:
        try:
            return events.get(timeout=min(_LOOK_S, deadline.left_s))
        except Empty:
            if deadline.passed:
                raise


@contextmanager
def as_ctrl_c(*numbers: signal.Signals) -> Iterator[None]:
    """Let these signals do what SIGINT does within the block; only in the main thread, and only those of which nobody has made anything."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


_held: list[Interrupt] = []  # the innermost block counts


def _press(_number: int, _frame: object) -> None:
    innermost = _held[-1]
    innermost.pressed = True
    innermost.react()


@contextmanager
def held(react: Callable[[], None] = lambda: None) -> Iterator[Interrupt]:
    """Note SIGINT instead of raising KeyboardInterrupt; blocks may be nested.

    Only in the main thread and only where Python's own handler is installed: a program that has its own knows better.
    """
    block = Interrupt(react)
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before not in {signal.default_int_handler, _press}:
        yield block
        return
    _held.append(block)
    signal.signal(signal.SIGINT, _press)
    try:
        yield block
    finally:
        signal.signal(signal.SIGINT, before)
        _held.pop()
