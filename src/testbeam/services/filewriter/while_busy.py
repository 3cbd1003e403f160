"""A thread that keeps a service heard while its main thread is busy for seconds, as with making or closing a large file."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_AT_MOST_S = 0.25


@contextmanager
def while_busy(tick: Callable[[], None], interval_s: float) -> Iterator[None]:
    """Call `tick` in another thread, several times in `interval_s`, until the block is left.

    What `tick` touches must be left alone by the block. The first call comes after a pause: a short block has none.
    """
    over = threading.Event()
    pause_s = min(interval_s / 4, _AT_MOST_S)

    def run() -> None:
        while not over.wait(pause_s):
            tick()

    thread = threading.Thread(target=run, name="while-busy", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
