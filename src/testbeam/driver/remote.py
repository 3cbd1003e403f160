"""A machine that is elsewhere, reached by ssh or by the command of a container engine: its commands run there, its units are its systemd's.

Source: ssh(1); docs/reference/test-driver.md, "Machines that are elsewhere".
"""

import shlex
from pathlib import Path
from typing import Any

from testbeam.clients.pvs import PvProtocol
from testbeam.driver import commands
from testbeam.driver.commands import Outcome
from testbeam.driver.machine import Machine
from testbeam.driver.native import Pv, Simulator
from testbeam.driver.spec import MachineSpec
from testbeam.driver.waiting import DEFAULT_TIMEOUT_S, RequestedAssertionFailed
from testbeam.errors import StackError

_REACH_S = 10.0
_COPY_S = 600.0
_OPTIONS = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=5")


class RemoteMachine(Machine):
    """The same words over ssh. It is neither started nor crashed by a test; tools such as caget are the machine's own."""

    def __init__(self, spec: MachineSpec, driver: Any, destination: str, *, over_ssh: bool = True) -> None:
        super().__init__(spec, driver)
        self.destination = destination
        self._over_ssh = over_ssh
        self._reached = False

    def start(self, allow_reboot: bool = False) -> None:  # noqa: ARG002 — the scripts' own signature
        """See that the machine can be reached."""
        if self._reached:
            return
        outcome = self._there("true", _REACH_S)
        if outcome.code != 0:
            how = f"ssh {self.destination}" if self._over_ssh else self.destination
            raise StackError(f"machine {self.name!r}: {how} fails: {outcome.errors.strip() or outcome.code}")
        self._reached = True

    def is_up(self) -> bool:
        """Tell whether the machine could be reached."""
        return self._reached

    def _down(self, *, kill: bool) -> None:
        """Leave the machine as it is."""

    def crash(self) -> None:
        """Refuse: a machine that is elsewhere may be needed by others."""
        raise self._refused("it is not crashed by a test")

    def block(self) -> None:
        """Refuse: its network is its own."""
        raise self._refused("its network is not cut by a test")

    unblock = block

    def _refused(self, why: str) -> StackError:
        return StackError(f"machine {self.name!r} is elsewhere ({self.destination}): {why}")

    def _there(self, command: str, timeout: float | None, *, fed_by: str = "", read_by: str = "") -> Outcome:
        """Run a command there; `fed_by` and `read_by` are what stands before and after it in a line of the shell here."""
        variables = " ".join(shlex.quote(f"{name}={value}") for name, value in self.spec.environment.items())
        words = f"env {variables} bash -c {shlex.quote(f'set -euo pipefail{chr(10)}{command}')}"
        over_ssh = f"ssh {' '.join(_OPTIONS)} {shlex.quote(self.destination)} {shlex.quote(words)}"
        line = f"{fed_by}{over_ssh if self._over_ssh else f'{self.destination} {words}'}{read_by}"
        return commands.run(line, self.environment(), self.folder, timeout, self._waits, self.log)

    def _run(self, command: str, timeout: float | None) -> Outcome:
        self.start()
        outcome = self._there(command, timeout)
        for line in outcome.errors.splitlines():
            self.log(f"  {line}")
        return outcome

    def wait_for_file(self, filename: str, timeout: float = DEFAULT_TIMEOUT_S) -> None:
        """Wait until a file is there."""
        with self.nested(f"waiting for file '{filename}'"):
            self._until(f"test -e {shlex.quote(filename)}", timeout, f"file {filename}")

    def wait_for_open_unix_socket(self, addr: str, is_datagram: bool = False, timeout: float = DEFAULT_TIMEOUT_S) -> None:  # noqa: ARG002
        """Wait until a socket of this path is there."""
        with self.nested(f"waiting for unix socket {addr}"):
            self._until(f"test -S {shlex.quote(addr)}", timeout, f"unix socket {addr} open")

    def _until(self, command: str, timeout: float, what: str) -> None:
        self.start()
        self._waits.until(lambda _: self._there(command, _REACH_S).code == 0, timeout, f"{what} of machine {self.name}")

    def copy_from_host(self, source: str, target: str) -> None:
        """Copy a file or folder to the machine; a relative target begins where commands run."""
        self.start()
        origin, goal = Path(source).absolute(), shlex.quote(target)
        if origin.is_dir():
            self._copied(f"mkdir -p {goal} && tar -xf - -C {goal}", fed_by=f"tar -C {shlex.quote(str(origin))} -cf - . | ")
        else:
            self._copied(f'mkdir -p "$(dirname {goal})" && cat > {goal}', fed_by=f"cat {shlex.quote(str(origin))} | ")

    copy_from_host_via_shell = copy_from_host

    def copy_from_machine(self, source: str, target_dir: str = "") -> None:
        """Copy a file or folder of the machine to the folder of results."""
        self.start()
        goal, path = self._driver.folder / "results" / target_dir, shlex.quote(source)
        goal.mkdir(parents=True, exist_ok=True)
        read_by = f" | tar -xf - -C {shlex.quote(str(goal))}"
        self._copied(f'tar -C "$(dirname {path})" -cf - "$(basename {path})"', read_by=read_by)

    copy_from_vm = copy_from_machine

    def _copied(self, command: str, *, fed_by: str = "", read_by: str = "") -> None:
        outcome = self._there(command, _COPY_S, fed_by=fed_by, read_by=read_by)
        if outcome.code != 0:
            raise StackError(f"machine {self.name!r}: nothing is copied: {outcome.errors.strip() or outcome.code}")

    def pv(self, name: str, protocol: PvProtocol = "ca") -> Pv:  # noqa: ARG002
        """Refuse: only commands reach it."""
        raise self._refused(f'ask for its PVs by its own tools: {self.name}.succeed("caget -t {name}")')

    def iocsh(self, line: str, unit: str = "") -> str:  # noqa: ARG002
        """Refuse: only commands reach it."""
        raise self._refused("the shell of its IOC is reached by a command there")

    def simulator(self, unit: str = "") -> Simulator:  # noqa: ARG002
        """Refuse: only commands reach it."""
        raise self._refused("a back door has a simulated device that is a unit here")

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
