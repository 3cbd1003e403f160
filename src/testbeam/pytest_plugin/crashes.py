"""How the end of a service ends the test that is running: at once, and as a failure of that test alone.

The kit tells of it in a thread of its own. The main thread, where the test is, gets SIGINT, the one signal that everything in Python, and
the kit itself, is made to be interrupted by; what arrives as KeyboardInterrupt is then told as what it was.
"""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

from testbeam.errors import ServiceDied, TestbeamError

if TYPE_CHECKING:
    from testbeam.kit.handle import Handle
    from testbeam.pytest_plugin.keys import AnyRun

_DELIVERY_S = 2.0  # a signal to one's own main thread arrives within a millisecond


class CrashWatch:
    """Interrupts the test that is running when a service of its run ends unexpectedly."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run: AnyRun | None = None  # of the test that is running and can be interrupted
        self._sent = False
        self.told = False  # some test has failed of it

    def crashed(self, handle: "Handle") -> None:
        """Interrupt the running test, if the service is of its run; called from a thread of the kit."""
        with self._lock:
            if handle.run is self._run and not self._sent:
                self._sent = True
                signal.pthread_kill(_main_thread_id(), signal.SIGINT)

    @contextmanager
    def armed(self, run: "AnyRun") -> Iterator[None]:
        """Fail the block as soon as a service ends, and in any case at its end.

        Raises:
            ServiceDied: a service has ended unexpectedly.
        """
        try:
            with _interruptible() as possible:
                self._arm(run if possible else None)
                try:
                    self._check(run)  # for what happened before
                    yield
                finally:
                    self._disarm(sys.exception())
        except KeyboardInterrupt as interrupt:
            if not self._sent:
                raise
            self._fail(run, interrupt.__traceback__)
        self._check(run)

    def _arm(self, run: "AnyRun | None") -> None:
        with self._lock:
            self._run, self._sent = run, False

    def _disarm(self, error: BaseException | None) -> None:
        """Interrupt no more; an interrupt that is on its way is waited for, or it would hit whatever comes next."""
        with self._lock:
            self._run = None
            awaited = self._sent and not isinstance(error, KeyboardInterrupt)
        end_s = time.monotonic() + _DELIVERY_S
        while awaited and time.monotonic() < end_s:
            time.sleep(0.001)

    def _check(self, run: "AnyRun") -> None:
        try:
            run.check()
        except TestbeamError:
            self.told = True
            raise

    def _fail(self, run: "AnyRun", trace: TracebackType | None) -> NoReturn:
        """Raise what happened, at the place where the test was."""
        try:
            self._check(run)
        except TestbeamError as error:
            raise error.with_traceback(trace) from None
        raise ServiceDied("a service of this run ended unexpectedly, and was forgotten before it could be told which; see the journal")


@contextmanager
def _interruptible() -> Iterator[bool]:
    """Have SIGINT heard for the block where it is ignored, as in workers of pytest-xdist; tell whether the test can be interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield False
        return
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        yield before is signal.default_int_handler
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield True
    finally:
        signal.signal(signal.SIGINT, before)


def _main_thread_id() -> int:
    identity = threading.main_thread().ident
    assert identity is not None
    return identity
