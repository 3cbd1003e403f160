"""Crash watch: the end of a service ends the test that is running, at once, and as a failure of that test alone.

The kit tells of it in a thread of its own. The main thread, where the test is, gets SIGINT, the one signal that everything in Python, and
the kit itself, is made to be interrupted by; what arrives as KeyboardInterrupt is then told as what it was.

Python looks for signals before a wait begins and when the kernel breaks it off: one that comes in between is seen when the wait is over
by itself. So the main thread is nudged, by a signal that does nothing else, until the test has ended.
"""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from testbeam.errors import ServiceDied, TestbeamError
from testbeam.model.deadline import Deadline

if TYPE_CHECKING:
    from testbeam.kit.handle import Handle
    from testbeam.kit.protocols import RunLike

_DELIVERY_S = 2.0  # a signal to one's own main thread arrives within a millisecond
_NUDGE = signal.SIGURG  # ignored where nobody has asked for it: one that comes late does no harm
_NUDGE_S = 0.05


class CrashWatch:
    """Interrupts the test that is running when a service of its run ends unexpectedly."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run: RunLike | None = None  # of the test that is running and can be interrupted
        self._sent = False
        self.told = False  # some test has failed of it

    def crashed(self, handle: "Handle") -> None:
        """Interrupt the running test, if the service is of its run; called from a thread of the kit."""
        with self._lock:
            if handle.run is not self._run or self._sent:
                return
            self._sent = True
            signal.pthread_kill(_main_thread_id(), signal.SIGINT)
        threading.Thread(target=self._nudge, args=(handle.run,), name="testbeam-nudge", daemon=True).start()

    def _nudge(self, run: "RunLike") -> None:
        while True:
            time.sleep(_NUDGE_S)
            with self._lock:
                if self._run is not run:
                    return
                signal.pthread_kill(_main_thread_id(), _NUDGE)

    @contextmanager
    def armed(self, run: "RunLike") -> Iterator[None]:
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

    def _arm(self, run: "RunLike | None") -> None:
        with self._lock:
            self._run, self._sent = run, False

    def _disarm(self, error: BaseException | None) -> None:
        """Interrupt no more; an interrupt that is on its way is waited for, or it would hit whatever comes next."""
        with self._lock:
            self._run = None
            awaited = self._sent and not isinstance(error, KeyboardInterrupt)
        deadline = Deadline(_DELIVERY_S)
        while awaited and not deadline.passed:
            time.sleep(0.001)

    def _check(self, run: "RunLike") -> None:
        try:
            run.check()
        except TestbeamError:
            self.told = True
            raise

    def _fail(self, run: "RunLike", trace: TracebackType | None) -> NoReturn:
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
    if before not in {signal.SIG_IGN, signal.default_int_handler}:
        yield False  # a program that has its own knows better
        return
    with _handling(signal.SIGINT, signal.default_int_handler), _handling(_NUDGE, _do_nothing):
        yield True


@contextmanager
def _handling(number: signal.Signals, handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """Be there, so that the signal breaks off what the main thread waits for."""


def _main_thread_id() -> int:
    identity = threading.main_thread().ident
    assert identity is not None
    return identity
