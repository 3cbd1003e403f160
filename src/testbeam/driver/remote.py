"""A machine that is elsewhere, reached by ssh: its commands run there, its units are those of its systemd.

Source: ssh(1); docs/reference/test-driver.md, "Machines that are elsewhere".
"""

import shlex
from collections.abc import Mapping
from typing import Any

from testbeam.driver import commands
from testbeam.driver.commands import Outcome
from testbeam.driver.machine import Machine
from testbeam.driver.spec import MachineSpec
from testbeam.driver.waiting import DEFAULT_TIMEOUT_S, RequestedAssertionFailed
from testbeam.errors import StackError

_OPTIONS = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=5")


class RemoteMachine(Machine):
    """The same words over ssh. It is neither started nor crashed by a test; tools such as caget are the machine's own."""

    def __init__(self, spec: MachineSpec, driver: Any, destination: str) -> None:
        super().__init__(spec, driver)
        self.destination = destination
        self._reached = False

    def start(self, allow_reboot: bool = False) -> None:  # noqa: ARG002 — the scripts' own signature
        """See that the machine can be reached."""
        if self._reached:
            return
        outcome = self._ssh("true", 10.0)
        if outcome.code != 0:
            raise StackError(f"machine {self.name!r}: ssh {self.destination} fails: {outcome.errors.strip() or outcome.code}")
        self._reached = True

    def is_up(self) -> bool:
        """Tell whether the machine could be reached."""
        return self._reached

    def _down(self, *, kill: bool) -> None:
        """Leave the machine as it is."""

    def crash(self) -> None:
        """Refuse: a machine that is elsewhere may be needed by others."""
        raise StackError(f"machine {self.name!r} is elsewhere ({self.destination}) and is not crashed by a test")

    def _ssh(self, command: str, timeout: float | None) -> Outcome:
        words = " ".join(shlex.quote(f"{name}={value}") for name, value in self._remote_environment().items())
        script = shlex.quote(f"set -euo pipefail\n{command}")
        line = f"ssh {' '.join(_OPTIONS)} {shlex.quote(self.destination)} {shlex.quote(f'env {words} bash -c {script}')}"
        return commands.run(line, self.environment(), self.folder, timeout, self._waits, self.log)

    def _remote_environment(self) -> Mapping[str, str]:
        return dict(self.spec.environment)

    def _run(self, command: str, timeout: float | None) -> Outcome:
        self.start()
        outcome = self._ssh(command, timeout)
        for line in outcome.errors.splitlines():
            self.log(f"  {line}")
        return outcome

    def get_unit_state(self, unit: str) -> str:
        """Return what its systemd says."""
        return self._run(f"systemctl is-active {shlex.quote(unit)} || true", 30.0).output.strip() or "inactive"

    def wait_for_unit(self, unit: str, user: str | None = None, timeout: float = DEFAULT_TIMEOUT_S) -> None:  # noqa: ARG002
        """Wait until a unit is active; fail at once where it has failed."""

        def look(_last: bool) -> bool:
            state = self.get_unit_state(unit)
            if state == "failed":
                raise RequestedAssertionFailed(f"unit {unit!r} of machine {self.name!r} has failed")
            return state == "active"

        with self.nested(f"waiting for unit {unit}"):
            self._waits.until(look, timeout, f"unit {unit} of machine {self.name} active")

    def systemctl(self, q: str, user: str | None = None) -> tuple[int, str]:  # noqa: ARG002
        """Run `systemctl …` there."""
        outcome = self._run(f"systemctl {q}", 60.0)
        return outcome.code, outcome.output

    def start_job(self, jobname: str, user: str | None = None) -> tuple[int, str]:
        """Start a unit there."""
        return self.systemctl(f"start {shlex.quote(jobname)}", user)

    def stop_job(self, jobname: str, user: str | None = None) -> tuple[int, str]:
        """Stop a unit there."""
        return self.systemctl(f"stop {shlex.quote(jobname)}", user)

    def _accepts(self, port: int, addr: str) -> bool:
        host = "127.0.0.1" if addr == "localhost" else addr
        return self._run(f"exec 3<>/dev/tcp/{shlex.quote(host)}/{port}", 5.0).code == 0

    def get_console_log(self) -> str:
        """Return the journal of its present boot."""
        return self._run("journalctl -b --no-pager -o cat", 60.0).output
