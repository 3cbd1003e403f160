"""What Ctrl-C does while a run starts or stops: it is noted and acted upon, never thrown into the middle of something."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_reactions: list[Callable[[], None]] = []  # the innermost block's reaction counts


def _react(_number: int, _frame: object) -> None:
    _reactions[-1]()


@contextmanager
def held(react: Callable[[], None]) -> Iterator[None]:
    """Call `react` on SIGINT instead of raising KeyboardInterrupt; blocks may be nested.

    Only in the main thread and only where Python's own handler is installed: a program that has its own knows better.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before not in {signal.default_int_handler, _react}:
        yield
        return
    _reactions.append(react)
    signal.signal(signal.SIGINT, _react)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        _reactions.pop()
