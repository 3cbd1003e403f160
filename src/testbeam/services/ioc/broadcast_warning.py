"""Warning of base's CA server that its interface has no broadcast address, left out where that is as it should be: on loopback."""

import ctypes
import re
import threading
from contextlib import ExitStack

from testbeam.services.ioc import init_hooks
from testbeam.services.ioc.capture import captured_stderr

_BEFORE, _AFTER = b"initHookAfterInitialProcess", b"initHookAfterCaServerInit"
_WARNING = re.compile(
    r"^Warning: Can't find broadcast address of interface 127\..*\n +Name lookup may not work on this interface\n", re.MULTILINE
)

_MOST_S = 2.0  # a server that can't go on suspends this thread: what it said must be seen


def leave_out(com: ctypes.CDLL) -> None:
    """Arrange that the next `iocInit` does not print it: clients of an address of loopback are told where to search; com: libCom.

    Nothing but the servers' own start is captured: what device support prints is seen at once, also of one that hangs.
    """
    captured = ExitStack()
    limit = threading.Timer(_MOST_S, captured.close)
    limit.daemon = True

    def begin() -> None:
        com.errlogFlush()
        captured.enter_context(captured_stderr(lambda printed: _WARNING.sub("", printed)))
        limit.start()

    def end() -> None:
        com.errlogFlush()
        limit.cancel()
        captured.close()

    init_hooks.add(com, {_BEFORE: begin, _AFTER: end})
