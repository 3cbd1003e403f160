"""Fault of a service that stands still: SIGSTOP now, SIGCONT at the end.

A stopped process keeps its connections, and its kernel goes on accepting new ones: only an answer shows that it is alive.
"""

import threading
from typing import Any

from testbeam.errors import StackError
from testbeam.kit import probing
from testbeam.kit.faults.fault import Fault
from testbeam.kit.probing import wait_until
from testbeam.kit.protocols import HandleLike
from testbeam.kit.state import State

LONGEST_S = 60.0


class Paused(Fault):
    """Stop the service, with all that descends from it, for the block or `longest_s`, whichever is over first."""

    kind = "paused"
    of_process = True

    def __init__(self, handle: HandleLike, longest_s: float = LONGEST_S) -> None:
        if longest_s <= 0:
            raise StackError(f"paused: {longest_s:g} s is no time to be paused for; give a positive number of seconds")
        super().__init__(handle, longest_s=longest_s)
        self._longest_s = longest_s
        self._over = threading.Event()

    def check(self) -> None:
        """Refuse a service that has no process, or is starting or stopping."""
        self.running()
        if self.handle.state not in {State.READY, State.PAUSED}:
            raise self.refuse(f"is {self.handle.state}", "wait until it is ready")

    def begin_it(self) -> None:
        """Stop it, and wait until the kernel has."""
        if self.handle.state is State.READY:
            with self.faults.signals(self.handle.name):
                self.handle.pause()
            self.faults.memory[(self.handle.name, self.kind)] = self.running()
            self._wait(stopped=True)
        self.work(self._watch)

    def end_it(self, *, for_good: bool) -> dict[str, Any]:
        """Let it go on, unless another pause lasts or somebody has stopped or restarted it meanwhile."""
        self._over.set()
        if self.faults.others(self):
            return {}
        process = self.faults.memory.pop((self.handle.name, self.kind), None)
        if process is None or process is not self.handle.process or self.handle.state is not State.PAUSED:
            return {}
        with self.faults.signals(self.handle.name):
            self.handle.resume()
        if not for_good and not any(fault.kind == "slow_consumer" for fault in self.faults.active):
            self._wait(stopped=False)
        return {}

    def _watch(self) -> None:
        if self._over.wait(self._longest_s):
            return
        try:
            self.end(f"{self._longest_s:g} s are over")
        except StackError as error:  # nobody waits for this thread's word
            self.handle.run.journal.record("trouble", self.handle.name, detail=str(error))

    def _wait(self, *, stopped: bool) -> None:
        pid = self.running().pid or 0
        waited = wait_until(lambda: probing.stands_still(pid, stopped=stopped), timeout_s=probing.OBEYED_S, pause=threading.Event().wait)
        if not waited.seen.ready:
            raise self.refuse(f"does not {'stop' if stopped else 'go on'}: {waited.seen.detail}", f"see /proc/{pid}/stack")
