"""Fault of a service that falls behind: it runs for a share of the time only, by SIGSTOP and SIGCONT in turn."""

import threading
from typing import Any

from testbeam.errors import StackError
from testbeam.kit.faults.fault import Fault
from testbeam.kit.protocols import HandleLike
from testbeam.kit.state import State

_STOP, _CONTINUE = 19, 18


class SlowConsumer(Fault):
    """Let the service run for `share` of each period; of several at once the smallest share counts.

    It goes on over a restart, and makes way for a pause.
    """

    kind = "slow_consumer"
    of_process = True

    def __init__(self, handle: HandleLike, share: float = 0.1, period_s: float = 0.1) -> None:
        if not 0 < share < 1:
            raise StackError(f"slow_consumer: share={share:g} can't be used; give the share of the time that it runs, above 0 and below 1")
        if period_s < 0.01:
            raise StackError(f"slow_consumer: period_s={period_s:g} is too short to be kept; give at least 0.01")
        super().__init__(handle, share=share, period_s=period_s)
        self.share = share
        self._period_s = period_s
        self._over = threading.Event()

    def check(self) -> None:
        """Refuse a service that has no process."""
        self.running()

    def begin_it(self) -> None:
        """Begin to stop and continue it."""
        self.work(self._take_turns)

    def end_it(self, *, for_good: bool) -> dict[str, Any]:  # noqa: ARG002 - the thread ends in any case, and leaves it running
        """Let it run again; the thread does that as its last deed, and is waited for."""
        self._over.set()
        return {}

    def _take_turns(self) -> None:
        is_over = False
        while not is_over:
            counts = self.share <= min((other.share for other in self.faults.others(self)), default=1.0)
            if counts:
                self._send(_STOP)
            is_over = self._over.wait(self._period_s * (1 - self.share))
            if counts:
                self._send(_CONTINUE)
            is_over = is_over or self._over.wait(self._period_s * self.share)

    def _send(self, number: int) -> None:
        with self.faults.signals(self.handle.name):
            process = self.handle.process
            if process is not None and process.is_running() and self.handle.state is not State.PAUSED:
                self.handle.send_signal(number)
