"""Fault of a service that is not there: SIGKILL now, started again at the end, on the same ports and folder."""

from typing import Any

from testbeam.kit.faults.fault import Fault
from testbeam.kit.state import State

_DOWN = {State.STOPPED, State.FAILED, State.CRASHED}


class Killed(Fault):
    """Kill the service with all that descends from it; that is no crash. At the end start it and wait until it is ready."""

    kind = "killed"
    of_process = True

    def check(self) -> None:
        """Refuse a service that has no process to kill."""
        if not self.faults.others(self):
            self.running()

    def begin_it(self) -> None:
        """Kill it."""
        if self.handle.is_running():
            self.handle.kill()

    def end_it(self, *, for_good: bool) -> dict[str, Any]:
        """Start it again, unless it is to stay down a little longer or somebody has started it meanwhile."""
        if for_good or self.faults.others(self) or self.handle.state not in _DOWN:
            return {}
        self.handle.start()
        return {"pid": self.handle.pid}


class Restarted(Fault):
    """Stop the service in order and start it again; that is all, whenever the block ends."""

    kind = "restarted"
    of_process = True

    def check(self) -> None:
        """Refuse a service that has no process."""
        self.running()

    def begin_it(self) -> None:
        """Stop it, start it, and wait until it is ready."""
        self.handle.restart()

    def end_it(self, *, for_good: bool) -> dict[str, Any]:  # noqa: ARG002 - there is nothing left to restore
        """Do nothing more."""
        return {"pid": self.handle.pid}
