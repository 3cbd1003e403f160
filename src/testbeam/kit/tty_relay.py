"""Relay of a pseudo-terminal: runs a command line on one and copies what it writes to stdout; `python -I -S tty_relay.py COMMAND…`.

Signals that end a program go on to the command; the relay ends as it does.
"""

import os
import pty
import signal
import sys
from contextlib import suppress
from typing import NoReturn

_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def main(argv: list[str]) -> NoReturn:
    """Run the command and end as it ends."""
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            os.execvp(argv[0], argv)
        except OSError as error:
            os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
            os._exit(127)
    for number in _PASSED_ON:
        signal.signal(number, lambda number, _: pass_on(pid, number))
    copy(terminal)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def pass_on(pid: int, number: int) -> None:
    """Send a signal on; a command that has ended needs none."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def copy(terminal: int) -> None:
    """Copy until the other end is closed, which a terminal tells as an error; its line ends become those of a file."""
    try:
        while data := os.read(terminal, 1 << 16):
            os.write(1, data.replace(b"\r\n", b"\n"))
    except OSError:
        pass


if __name__ == "__main__":
    main(sys.argv[1:])
