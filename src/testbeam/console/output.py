"""Output line by line of a command that ends well at Ctrl-C, and when nobody reads any more."""

import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from testbeam.console.encoding import use_substitutes
from testbeam.runtime import exit_codes


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Give an event that SIGINT and SIGTERM set; at a second one the process ends at once."""
    stop = threading.Event()

    def react(number: int, _frame: object) -> None:
        if stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stop.set()

    before = {number: signal.signal(number, react) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def write(bursts: Iterable[Iterable[str]]) -> int:
    """Write lines, each burst at once, and return how many characters they had.

    A reader that went away (`| head`) ends the program quietly, with success.

    Raises:
        SystemExit: nobody reads any more.
    """
    use_substitutes(sys.stdout)
    written = 0
    try:
        for burst in bursts:
            text = "".join(f"{line}\n" for line in burst)
            if text:
                sys.stdout.write(text)
                sys.stdout.flush()
                written += len(text)
    except BrokenPipeError:
        # Python flushes stdout once more at its end, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(exit_codes.OK) from None
    return written


class StatusLine:
    """One line on a terminal's stderr that is written over and over; nothing where stderr is a file or a pipe."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._width = 0

    def __call__(self, text: str) -> None:
        """Write `text` in the place of what stands there."""
        if self._is_terminal:
            sys.stderr.write(f"\r{text:<{self._width}}")
            sys.stderr.flush()
            self._width = len(text)

    def clear(self) -> None:
        """Wipe the line, so that the next one stands alone."""
        if self._is_terminal and self._width:
            sys.stderr.write(f"\r{'':<{self._width}}\r")
            sys.stderr.flush()
