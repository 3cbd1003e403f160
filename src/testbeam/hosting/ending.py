"""End of a hosted stack from outside: asked, told by a signal, and at last killed."""

import os
import signal
from contextlib import suppress

from testbeam.errors import StackError, TestbeamError
from testbeam.hosting import processes, registry
from testbeam.hosting.channel import Channel
from testbeam.hosting.registry import Entry

_ASK_S = 5.0
_STOP_S = 60.0  # services stop in order, each within its own time
_SIGNAL_S = 15.0


def end(entry: Entry) -> None:
    """Have a stack stop in order and wait for its end; a host that does not answer is killed, and its guard does the rest.

    Raises:
        StackError: it can't be killed.
    """
    if entry.is_ready and _ask(entry) and processes.wait_end(entry.pid, entry.started_at, _STOP_S):
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        if processes.is_same(entry.pid, entry.started_at):
            with suppress(ProcessLookupError):
                os.kill(entry.pid, number)
        if processes.wait_end(entry.pid, entry.started_at, _SIGNAL_S):
            registry.forget(entry.id)
            return
    raise StackError(
        f"stack {entry.id} can't be ended: process {entry.pid} outlives SIGKILL; see what it hangs in: cat /proc/{entry.pid}/stack"
    )


def _ask(entry: Entry) -> bool:
    """Ask it to end; return whether it may have heard: a host that ends at once may be gone before its answer is read."""
    try:
        channel = Channel(entry.socket, _ASK_S)
    except TestbeamError:
        return False
    with channel, suppress(TestbeamError):
        channel.ask("end")
    return True
