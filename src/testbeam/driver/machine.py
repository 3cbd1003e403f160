"""One machine of a test: units, commands, ports, files, console, in the words of NixOS' test driver.

It is no virtual machine: its units are processes of this computer, on a loopback address of their own, and its commands see the host's
files. Default ports belong to the machine's address.
Source: docs/reference/contracts/ioc.md, "Driver".
"""

import os
import re
import shutil
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn

from testbeam.clients.pvs import PvProtocol
from testbeam.driver import commands
from testbeam.driver.commands import Outcome
from testbeam.driver.native import Pv, Simulator
from testbeam.driver.spec import MachineSpec, UnitSpec
from testbeam.driver.systemctl import systemctl
from testbeam.driver.units import (
    ACTIVATING,
    ACTIVE,
    BACKDOOR,
    CONSOLE,
    FAILED,
    INACTIVE,
    SHELL_SOCKET,
    TARGETS,
    WIRE_LOG,
    UnitService,
    no_such_unit,
    plain,
    service_name,
    unit_state,
)
from testbeam.driver.waiting import DEFAULT_TIMEOUT_S, POLL_S, RequestedAssertionFailed, Waits
from testbeam.errors import StackError
from testbeam.kit import ports
from testbeam.kit.environment import scrubbed
from testbeam.kit.handle import Handle
from testbeam.kit.logs import tail
from testbeam.kit.run import Run
from testbeam.kit.stack import Stack
from testbeam.model.deadline import Deadline
from testbeam.stacks.roles.ioc.declaration import IocHandle
from testbeam.transport.epics_environment import PVA_BROADCAST_PORT, client_environment

_NO_SCREEN = "screenshot get_screen_text get_screen_text_variants wait_for_text send_key send_chars send_monitor_command wait_for_window"

_PROMPT = re.compile(r"^(?:\x1b\[[\d;]*m|[^\s\x1b]+> )+", re.MULTILINE)  # of iocsh, which may be coloured


class Machine:
    """One machine; made by the driver."""

    def __init__(self, spec: MachineSpec, driver: Any) -> None:
        self.name = spec.name
        self.spec = spec
        self._driver = driver
        self._waits: Waits = driver.waits
        self._owned = ExitStack()
        self._lease = self._owned.enter_context(_leased(driver.fixed_address))
        self.address = self._lease
        self.folder: Path = driver.folder / spec.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.run: Run | None = None
        self.boots = 0
        self.pvs: dict[str, Pv] = {}
        self.last_commands: deque[str] = deque(maxlen=5)
        self._console_before = ""  # what was logged before the last boot
        self._sessions: list[int] = []
        self._added = ExitStack()

    def __repr__(self) -> str:
        return f"<machine {self.name} at {self.address}: {'up' if self.is_up() else 'down'}>"

    # --- up and down ---

    def start(self, allow_reboot: bool = False) -> None:  # noqa: ARG002 — the scripts' own signature
        """Start the machine with the units that it wants, each after those it needs."""
        if self.run is not None:
            return
        with self.nested("starting"):
            self.boots += 1
            made = UnitService(self._driver.check, self.spec, self.address, self._driver.hosts())
            services = [made.make(unit) for unit in self.spec.units if unit.wanted]
            self.run = Stack(*services).run(folder=self.folder / f"boot-{self.boots}", keep=True)
            try:
                self.run.start()
            except StackError as error:
                self.log(str(error))
            self._driver.started(self)

    def is_up(self) -> bool:
        """Tell whether the machine is started."""
        return self.run is not None

    def shutdown(self) -> None:
        """Stop all units in order, and the machine."""
        self._down(kill=False)

    def crash(self) -> None:
        """Kill all units at once, as if the power had failed."""
        self._down(kill=True)

    def reboot(self) -> None:
        """Stop the machine and start it again."""
        self.shutdown()
        self.start()

    def wait_for_shutdown(self) -> None:
        """Wait until the machine is down, which only this script can bring about."""
        if self.run is not None:
            raise StackError(f"machine {self.name!r} runs until the script ends it: shutdown(), crash() or reboot()")

    def _down(self, *, kill: bool) -> None:
        run, self.run = self.run, None
        for pv in self.pvs.values():
            pv.forget()
        if run is None:
            return
        with self.nested("crashing" if kill else "shutting down"):
            if kill:
                for handle in run.handles.values():
                    handle.kill()
            self._console_before += self._logs(run)
            self._added.close()
            run.stop()

    def close(self) -> None:
        """Stop everything and give the address back."""
        self._down(kill=False)
        commands.kill_sessions(self._sessions)
        self._owned.close()

    def block(self) -> None:
        """Cut the machine's network: nothing reaches its address.

        Raises:
            StackError: the test does not run in a network of its own, or the kernel does not allow it.
        """
        self._driver.network.block(self.address)
        self.log("network cut")

    def unblock(self) -> None:
        """Restore the machine's network."""
        self._driver.network.unblock(self.address)
        self.log("network restored")

    # --- units ---

    def _unit_spec(self, unit: str) -> UnitSpec:
        found = next((spec for spec in self.spec.units if spec.name == plain(unit)), None)
        if found is None:
            raise no_such_unit(self.name, unit, [spec.name for spec in self.spec.units])
        return found

    def unit(self, name: str) -> Handle:
        """Return the handle of a unit that runs or has run.

        Raises:
            StackError: there is no such unit, or it was never started.
        """
        spec = self._unit_spec(name)
        handle = self._handle(spec)
        if handle is None:
            raise StackError(f"unit {spec.name!r} of machine {self.name!r} was never started")
        return handle

    def _handle(self, spec: UnitSpec) -> Handle | None:
        name = service_name(self.name, spec.name)
        return self.run[name] if self.run is not None and name in self.run else None

    def get_unit_state(self, unit: str) -> str:
        """Return active, inactive, failed or activating.

        Raises:
            StackError: there is no such unit.
        """
        if unit in TARGETS:
            return ACTIVE if self.is_up() else INACTIVE
        return unit_state(self._handle(self._unit_spec(unit)))

    def wait_for_unit(self, unit: str, user: str | None = None, timeout: float = DEFAULT_TIMEOUT_S) -> None:  # noqa: ARG002
        """Wait until a unit is active; fail at once where it has failed, or is inactive with nothing that would start it."""
        self.start()

        def look(_last: bool) -> bool:
            state = self.get_unit_state(unit)
            if state == FAILED or (state == INACTIVE and not self._driver.queued(self, plain(unit))):
                raise RequestedAssertionFailed(self._not_active(unit, state))
            return state == ACTIVE

        with self.nested(f"waiting for unit {unit}"):
            self._waits.until(look, timeout, f"unit {unit} of machine {self.name} active")

    def _not_active(self, unit: str, state: str) -> str:
        handle = None if unit in TARGETS else self._handle(self._unit_spec(unit))
        why = f"unit {unit!r} of machine {self.name!r} is {state}"
        if state == INACTIVE:
            return f"{why}, and nothing is queued that would start it; start it: {self.name}.start_job({plain(unit)!r})"
        if handle is not None and handle.error is not None:
            return f"{why}: {handle.error}"
        lines = "\n  ".join(tail(handle.log_path, 10)) if handle is not None else ""
        return f"{why}; the end of its log:\n  {lines}"

    def require_unit_state(self, unit: str, require_state: str = ACTIVE) -> None:
        """Fail unless a unit has this state."""
        with self.nested(f"checking if unit '{unit}' has reached state '{require_state}'"):
            state = self.get_unit_state(unit)
            if state != require_state:
                raise RequestedAssertionFailed(f"{self._not_active(unit, state)}; expected is {require_state}")

    def get_unit_info(self, unit: str, user: str | None = None) -> dict[str, str]:  # noqa: ARG002
        """Return properties of a unit by the names that systemd gives them."""
        state = self.get_unit_state(unit)
        handle = None if unit in TARGETS else self._handle(self._unit_spec(unit))
        return {
            "Id": unit,
            "ActiveState": state,
            "SubState": {ACTIVE: "running", FAILED: "failed", ACTIVATING: "start"}.get(state, "dead"),
            "MainPID": str((handle.pid if handle and state == ACTIVE else 0) or 0),
            "ExecMainStatus": str((handle.exit_code if handle else 0) or 0),
            "FragmentPath": str(self._driver.check.script.with_suffix(".toml")),
        }

    def get_unit_property(self, unit: str, property: str, user: str | None = None) -> str:  # noqa: A002
        """Return one property of a unit."""
        info = self.get_unit_info(unit, user)
        if property not in info:
            raise StackError(f"property {property!r} of units is not known here; known are {', '.join(info)}")
        return info[property]

    def start_job(self, jobname: str, user: str | None = None) -> tuple[int, str]:  # noqa: ARG002
        """Start a unit, also one that has ended; return exit code and output."""
        spec = self._unit_spec(jobname)
        handle = self._handle(spec)
        try:
            if handle is None:
                self._start_first(spec)
            elif unit_state(handle) not in (ACTIVE, ACTIVATING):
                handle.start()
        except StackError as error:
            self.log(str(error))
            return 1, ""
        self._driver.started(self)
        return 0, ""

    def _start_first(self, spec: UnitSpec) -> None:
        if self.run is None:
            raise StackError(f"machine {self.name!r} is not started; start it: {self.name}.start()")
        made = UnitService(self._driver.check, self.spec, self.address, self._driver.hosts())
        self._added.enter_context(self.run.add(made.make(spec)))

    def stop_job(self, jobname: str, user: str | None = None) -> tuple[int, str]:  # noqa: ARG002
        """Stop a unit; return exit code and output."""
        handle = self._handle(self._unit_spec(jobname))
        if handle is not None:
            handle.stop()
        return 0, ""

    def systemctl(self, q: str, user: str | None = None) -> tuple[int, str]:  # noqa: ARG002
        """Do what `systemctl …` would: start, stop, restart, kill, is-active, is-failed, status, show; return exit code and output."""
        return systemctl(self, q.split())

    # --- commands ---

    def environment(self) -> dict[str, str]:
        """Return the environment of the machine's commands."""
        addresses = [self.address, *self._driver.other_addresses(self)]
        own = {name: value.replace("${address}", self.address) for name, value in self.spec.environment.items()}
        path = [*(str((self._driver.check.folder / folder).resolve()) for folder in self.spec.path), str(self._driver.tools)]
        return {
            **scrubbed(os.environ),
            **client_environment(addresses, self._driver.name_servers()),
            "EPICS_PVA_ADDR_LIST": " ".join(self._driver.searched_addresses()),
            "TESTBEAM_MACHINE": self.name,
            "TESTBEAM_ADDRESS": self.address,
            "TESTBEAM_CONTROL": str(self._driver.control_path),
            "TESTBEAM_PYTHON": sys.executable,
            **own,
            "PATH": os.pathsep.join([*path, own.get("PATH", os.environ.get("PATH", ""))]),
        }

    def _run(self, command: str, timeout: float | None) -> Outcome:
        self.start()
        self.last_commands.append(command)
        work = self.folder / "work"
        work.mkdir(exist_ok=True)
        outcome = commands.run(command, self.environment(), work, timeout, self._waits, self.log)
        self._sessions.append(outcome.session)
        for line in outcome.errors.splitlines():
            self.log(f"  {line}")
        return outcome

    def execute(
        self,
        command: str,
        check_return: bool = True,
        check_output: bool = True,
        timeout: float | None = DEFAULT_TIMEOUT_S,
    ) -> tuple[int, str]:
        """Run a command; return its exit code (-1 with check_return=False) and standard output; a time-out is 124."""
        outcome = self._run(command, timeout)
        return (outcome.code if check_return else -1), (outcome.output if check_output else "")

    def succeed(self, *commands: str, timeout: float | None = None) -> str:
        """Run commands, each of which must exit with 0; return what they print."""
        return "".join(self._expected(command, timeout, success=True) for command in commands)

    def fail(self, *commands: str, timeout: float | None = None) -> str:
        """Run commands, none of which may exit with 0; return what they print."""
        return "".join(self._expected(command, timeout, success=False) for command in commands)

    def _expected(self, command: str, timeout: float | None, *, success: bool) -> str:
        with self.nested(f"must {'succeed' if success else 'fail'}: {command}"):
            outcome = self._run(command, timeout)
            if (outcome.code == 0) != success:
                raise RequestedAssertionFailed(self._unexpected(command, outcome, success=success))
            return outcome.output

    def _unexpected(self, command: str, outcome: Outcome, *, success: bool) -> str:
        said = "".join(f"\n  {line}" for line in (outcome.output + outcome.errors).strip().splitlines()[-10:])
        if not success:
            return f"command `{command}` unexpectedly succeeded on machine {self.name!r}{said}"
        late = f" after {outcome.elapsed_s:.1f} s (time-out)" if outcome.code == commands.TIMED_OUT else ""
        return f"command `{command}` failed (exit code {outcome.code}{late}) on machine {self.name!r}{said}"

    def wait_until_succeeds(self, command: str, timeout: float = DEFAULT_TIMEOUT_S) -> str:
        """Run a command again and again until it exits with 0; return what it prints then."""
        return self._repeat(command, timeout, success=True)

    def wait_until_fails(self, command: str, timeout: float = DEFAULT_TIMEOUT_S) -> str:
        """Run a command again and again until it does not exit with 0; return what it prints then."""
        return self._repeat(command, timeout, success=False)

    def _repeat(self, command: str, timeout: float, *, success: bool) -> str:
        last: list[Outcome] = []
        deadline = Deadline(timeout)

        def look(_last: bool) -> bool:
            last[:] = [self._run(command, max(deadline.left_s, 0.5))]
            return (last[0].code == 0) == success

        what = f"`{command}` {'succeeds' if success else 'fails'} on machine {self.name}"
        with self.nested(f"waiting for {'success' if success else 'failure'}: {command}"):
            try:
                self._waits.until(look, timeout, what)
            except RequestedAssertionFailed as error:
                raise RequestedAssertionFailed(
                    f"{error}; last: {self._unexpected(command, last[0], success=success)}" if last else str(error)
                ) from None
        return last[0].output

    # --- ports, files, console ---

    def wait_for_open_port(self, port: int, addr: str = "localhost", timeout: float = DEFAULT_TIMEOUT_S) -> None:
        """Wait until something listens on a TCP port; `localhost` is this machine."""
        self.start()
        with self.nested(f"waiting for TCP port {port} on {addr}"):
            self._waits.until(lambda _: self._accepts(port, addr), timeout, f"port {port} of {addr} of machine {self.name} open")

    def wait_for_closed_port(self, port: int, addr: str = "localhost", timeout: float = DEFAULT_TIMEOUT_S) -> None:
        """Wait until nothing listens on a TCP port."""
        with self.nested(f"waiting for TCP port {port} on {addr} to be closed"):
            self._waits.until(lambda _: not self._accepts(port, addr), timeout, f"port {port} of {addr} of machine {self.name} closed")

    def _accepts(self, port: int, addr: str) -> bool:
        host = self._driver.address_of(addr) or (self.address if addr in ("localhost", "127.0.0.1", "::1") else addr)
        try:
            with socket.create_connection((host, port), timeout=0.5):
                return True
        except OSError:
            return False

    def forward_port(self, host_port: int = 8080, guest_port: int = 80) -> None:
        """Refuse: the ports of a machine are open to this computer as they are."""
        raise StackError(
            f"port {guest_port} of machine {self.name!r} needs no forwarding to {host_port}: it is {self.address}:{guest_port}"
        )

    def wait_for_open_unix_socket(self, addr: str, is_datagram: bool = False, timeout: float = DEFAULT_TIMEOUT_S) -> None:
        """Wait until something listens on a Unix socket."""
        kind = socket.SOCK_DGRAM if is_datagram else socket.SOCK_STREAM

        def look(_last: bool) -> bool:
            with socket.socket(socket.AF_UNIX, kind) as client:
                return client.connect_ex(str(self._inside(addr))) == 0

        with self.nested(f"waiting for unix socket {addr}"):
            self._waits.until(look, timeout, f"unix socket {addr} open")

    def wait_for_file(self, filename: str, timeout: float = DEFAULT_TIMEOUT_S) -> None:
        """Wait until a file is there; a relative path begins in the folder that commands run in."""
        with self.nested(f"waiting for file '{filename}'"):
            self._waits.until(lambda _: self._inside(filename).exists(), timeout, f"file {filename}")

    def _inside(self, path: str) -> Path:
        return self.folder / "work" / path

    def copy_from_host(self, source: str, target: str) -> None:
        """Copy a file or folder into the folder that commands run in.

        Raises:
            StackError: the target is absolute: a machine shares the host's files.
        """
        if Path(target).is_absolute():
            raise StackError(
                f"copy_from_host to {target!r}: a machine shares this computer's files; give a path relative to its own folder"
            )
        self._copy(Path(source), self._inside(target))

    copy_from_host_via_shell = copy_from_host

    def copy_from_machine(self, source: str, target_dir: str = "") -> None:
        """Copy a file or folder of the machine to the folder of results."""
        self._copy(self._inside(source), self._driver.folder / "results" / target_dir / Path(source).name)

    copy_from_vm = copy_from_machine

    def _copy(self, source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)

    def get_console_log(self) -> str:
        """Return all that the machine's units have logged."""
        return self._console_before + (self._logs(self.run) if self.run is not None else "")

    def _logs(self, run: Run) -> str:
        return "".join(handle.get_stdout() for handle in run.handles.values())

    def wait_for_console_text(self, regex: str, timeout: float | None = None) -> None:
        """Wait until what the units have logged matches."""
        self.start()
        pattern = re.compile(regex, re.MULTILINE)
        with self.nested(f"waiting for {regex!r} to appear on console"):
            self._waits.until(
                lambda _: pattern.search(self.get_console_log()) is not None,
                DEFAULT_TIMEOUT_S if timeout is None else timeout,
                f"{regex!r} on the console of machine {self.name}",
            )

    def send_console(self, chars: str) -> None:
        """Send a line to the shell of the machine's IOC; for one with several, use `iocsh(line, unit)`."""
        self.log(self.iocsh(chars.strip()))

    def shell_interact(self, address: str | None = None) -> None:  # noqa: ARG002
        """Open a shell with the machine's environment, at a prompt."""
        import subprocess

        (self.folder / "work").mkdir(exist_ok=True)
        subprocess.run([os.environ.get("SHELL", "/bin/sh")], env=self.environment(), cwd=self.folder / "work", check=False)

    # --- words of its own ---

    def pv(self, name: str, protocol: PvProtocol = "ca") -> Pv:
        """Return a PV of the machine's IOCs, to read, write and expect something of."""
        key = f"{protocol} {name}"
        if key not in self.pvs:
            self.pvs[key] = Pv(name, protocol, self)
        return self.pvs[key]

    @property
    def search_port(self) -> int | None:
        """Return the UDP port for searches of PVA where an IOC, one with QSRV 1, answers none on TCP."""
        return PVA_BROADCAST_PORT if any(spec.qsrv == 1 for spec in self.spec.units) else None

    def iocs(self) -> Mapping[str, IocHandle]:
        """Return the handles of the IOCs by their units."""
        self.start()
        found = {spec.name: self._handle(spec) for spec in self.spec.units if spec.is_ioc}
        return {name: handle for name, handle in found.items() if isinstance(handle, IocHandle)}

    def ioc_unit(self, unit: str = "") -> Handle:
        """Return the one IOC of this machine, or the one that is named.

        Raises:
            StackError: there is none, or several and no name.
        """
        if unit:
            return self.unit(unit)
        known = self.iocs()
        if len(known) != 1:
            raise StackError(f"machine {self.name!r} has {len(known)} IOCs ({', '.join(known) or 'none'}); give the unit's name")
        return next(iter(known.values()))

    def iocsh(self, line: str, unit: str = "") -> str:
        """Run a line in the IOC's shell; return what it prints."""
        handle = self.ioc_unit(unit)
        if (handle.folder / CONSOLE).exists():
            return self._console(handle, line)
        path = handle.folder / SHELL_SOCKET
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            try:
                client.connect(str(path))
                client.sendall(f"{line}\n".encode())
                answer = b""
                while not answer.endswith(b"\0") and (data := client.recv(65_536)):
                    answer += data
            except OSError as error:
                raise StackError(f"the shell of the IOC on machine {self.name!r} does not answer: {error}; does the IOC run?") from error
        return answer.rstrip(b"\0").decode(errors="replace")

    def _console(self, handle: Handle, line: str) -> str:
        """Write a line to the console of an IOC that is not ours; return what is logged until a mark that is written behind it."""
        mark, before = f"end-of-{os.urandom(4).hex()}", len(handle.get_stdout())
        with (handle.folder / CONSOLE).open("w") as console:
            console.write(f"{line}\necho {mark}\n")
        shown = re.compile(rf"^.*(?<!echo ){mark}$", re.MULTILINE)
        self._waits.until(lambda _: shown.search(handle.get_stdout(), before) is not None, 5.0, f"the shell of {handle.name} done")
        return _PROMPT.sub("", shown.split(handle.get_stdout()[before:])[0])

    def simulator(self, unit: str = "") -> Simulator:
        """Return the backdoor of a simulated device: its state, its faults, its time."""
        known = [spec.name for spec in self.spec.units if spec.device]
        name = plain(unit) if unit else known[0] if len(known) == 1 else ""
        if name not in known:
            raise StackError(
                f"machine {self.name!r} has the simulators {', '.join(known) or 'none'}; {'name one' if not unit else f'{unit!r} is none'}"
            )
        return Simulator(self.unit(name).folder / BACKDOOR, name)

    def wire_log(self, unit: str = "") -> Path:
        """Return the file with what went over the ports of an IOC."""
        return self.ioc_unit(unit).folder / WIRE_LOG

    # --- telling ---

    def log(self, msg: str, level: object = None, **_: object) -> None:  # noqa: ARG002
        """Print a line with the machine's name."""
        self._driver.log.say(f"{self.name}: {msg}")

    @contextmanager
    def nested(self, msg: str) -> Iterator[None]:
        """Print what is done, and how long it took."""
        begin = time.monotonic()
        self.log(msg)
        with self._driver.log.deeper(), self._waits.named(f"{self.name}: {msg}"):
            yield
        elapsed = time.monotonic() - begin
        if elapsed >= 0.05:
            self.log(f"(finished: {msg}, in {elapsed:.2f} seconds)")

    def sleep(self, secs: float) -> None:
        """Let time pass."""
        deadline = Deadline(secs)
        self.log(f"sleeping {secs:g} s")
        while not deadline.passed:
            self._waits.look_after_conditions()
            time.sleep(min(deadline.left_s, POLL_S))

    def __getattr__(self, name: str) -> Any:
        if name in _NO_SCREEN.split():
            return lambda *_, **__: _refuse_screen(name)
        raise AttributeError(f"a machine has no {name!r}; its words are in docs/reference/test-driver.md")


def _refuse_screen(name: str) -> NoReturn:
    raise StackError(f"{name}() needs a screen and a keyboard, which machines of processes do not have")


@contextmanager
def _leased(fixed: str) -> Iterator[str]:
    """Lease an address, or take the one that a network of one's own makes ours."""
    if fixed:
        yield fixed
        return
    lease = ports.lease()
    try:
        yield lease.address
    finally:
        lease.release()
