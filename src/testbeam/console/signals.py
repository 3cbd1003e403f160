"""Signals of commands: `kill` and the terminal's end are the same as Ctrl-C, and Ctrl-C is heard though a library does not return."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from testbeam.runtime import exit_codes

_HEARD_S = 1.0


def end_as_by_ctrl_c() -> None:
    """Let SIGTERM and SIGHUP do what SIGINT does; SIGHUP stays ignored where `nohup` has it so."""
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _interrupt)


@contextmanager
def ended_by_ctrl_c() -> Iterator[None]:
    """End the process by Ctrl-C within the block, where a library in C keeps Python from hearing it, too; for who has nothing to clear up.

    The kernel writes the signal to a pipe at once, which a thread reads; it gives Python a second for its own way. Main thread only.
    """
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(write_fd, False)
    is_over = threading.Event()

    def watch() -> None:
        while number := os.read(read_fd, 1):
            if number[0] == signal.SIGINT and not is_over.wait(_HEARD_S):
                sys.stderr.write("interrupted\n")
                sys.stderr.flush()
                os._exit(exit_codes.INTERRUPTED)
        os.close(read_fd)

    before = signal.set_wakeup_fd(write_fd)
    threading.Thread(target=watch, name="testbeam-ctrl-c", daemon=True).start()
    try:
        yield
    finally:
        is_over.set()
        signal.set_wakeup_fd(before)
        os.close(write_fd)


def _interrupt(_number: int, _frame: object) -> None:
    signal.raise_signal(signal.SIGINT)  # not KeyboardInterrupt: while a run starts or stops, SIGINT is deferred
