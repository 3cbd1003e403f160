"""A test's driver: its machines, the names that its script sees, and how the script is run.

Source: docs/reference/contracts/ioc.md, "Driver".
"""

import builtins
import keyword
import os
import re
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import TestCase

from testbeam.driver import systemctl, toolbox
from testbeam.driver.control import Control
from testbeam.driver.explain import Explanation, explain
from testbeam.driver.log import Subtest, TestLog
from testbeam.driver.machine import Machine
from testbeam.driver.network import Network
from testbeam.driver.spec import CheckSpec, MachineSpec
from testbeam.driver.waiting import DEFAULT_TIMEOUT_S, Condition, RequestedAssertionFailed, Waits
from testbeam.driver.watch import PvWatch, named_in
from testbeam.errors import StackError, TestbeamError
from testbeam.kit.run_folder import RunFolder
from testbeam.model.deadline import Deadline
from testbeam.transport.epics_environment import PVA_PORT

_RECORDS_S = 10.0


@dataclass(slots=True, kw_only=True)
class Result:
    """How one check went."""

    name: str
    script: Path
    elapsed_s: float
    problem: str = ""  # empty: it passed, or was skipped
    skipped: str = ""  # why it was not run
    place: str = ""  # where in the script
    subtests: list[Subtest] = field(default_factory=list)
    explanation: Explanation = field(default_factory=Explanation)
    folder: Path | None = None  # kept, of a failed one

    @property
    def ok(self) -> bool:
        """Tell whether it passed."""
        return not self.problem


class Driver:
    """Runs one check. Use it as a context manager: at its end every machine is stopped."""

    def __init__(
        self, check: CheckSpec, *, log: TestLog | None = None, folder: Path | None = None, private: bool = False, local: bool = False
    ) -> None:
        self.check = check
        self.log = log or TestLog()
        self.waits = Waits()
        self.network = Network(private=private)
        self.fixed_address = "127.0.0.1" if local and len(check.machines) == 1 else ""
        self.machines: dict[str, Machine] = {}
        self.watches: dict[str, PvWatch] = {}
        self._owned = ExitStack()
        self._given_folder = folder
        self._starting: dict[str, set[str]] = {}

    def __enter__(self) -> "Driver":
        self.folder = self._given_folder or Path(tempfile.mkdtemp(prefix=f"testbeam-{self.check.name}-"))
        self._owned.callback(RunFolder(self.folder).leave, keep=True)  # locked, by which others know that it lives
        self.tools = toolbox.make(self.folder / "tools")
        self.control_path = self.folder / "control"
        self._owned.callback(Control(self.control_path, self._answer).close)
        for spec in self.check.machines:
            self._add(spec)
        return self

    def __exit__(self, *_: object) -> None:
        for watch in self.watches.values():
            watch.stop()
        for machine in self.machines.values():
            self._owned.callback(machine.close)
        self._owned.close()

    def _add(self, spec: MachineSpec) -> Machine:
        machine = self._remote(spec) if spec.name in (*self.check.ssh, *self.check.exec) else Machine(spec, self)
        self.machines[spec.name] = machine
        return machine

    def _remote(self, spec: MachineSpec) -> Machine:
        from testbeam.driver.remote import RemoteMachine  # late: most machines are here

        if spec.name in self.check.exec:
            return RemoteMachine(spec, self, self.check.exec[spec.name], over_ssh=False)
        return RemoteMachine(spec, self, self.check.ssh[spec.name])

    # --- for machines ---

    def other_addresses(self, machine: Machine) -> list[str]:
        """Return the addresses of all machines but this one."""
        return [other.address for other in self.machines.values() if other is not machine and other.address != machine.address]

    def searched_addresses(self) -> list[str]:
        """Return the addresses where PVA servers answer searches on UDP with the right place: those without a compiled IOC."""
        here = [machine for machine in self.machines.values() if machine.address]
        return [machine.address for machine in here if not any(unit.binary for unit in machine.spec.units)]

    def name_servers(self) -> list[str]:
        """Return the places of PVA servers that answer searches over TCP: QSRV 1 does not, and is not found at all by who asks it so."""
        here = [machine for machine in self.machines.values() if machine.address and machine.search_port is None]
        return [f"{machine.address}:{PVA_PORT}" for machine in here]

    def hosts(self) -> dict[str, str]:
        """Return the addresses of all machines that are here."""
        return {name: machine.address for name, machine in self.machines.items() if machine.address}

    def address_of(self, name: str) -> str:
        """Return the address of a machine, or the empty string."""
        return self.machines[name].address if name in self.machines else ""

    def queued(self, machine: Machine, unit: str) -> bool:
        """Tell whether something is about to start a unit."""
        return unit in self._starting.get(machine.name, set())

    def started(self, machine: Machine) -> None:
        """Watch the PVs that the script names, once their IOC has records."""
        if machine.name in self.watches or not any(spec.is_ioc for spec in machine.spec.units):
            return
        threading.Thread(target=self._watch, args=(machine,), daemon=True).start()

    def _watch(self, machine: Machine) -> None:
        deadline = Deadline(_RECORDS_S)
        script = self.check.script.read_text(errors="replace")
        while not deadline.passed and machine.run is not None:
            records = tuple(name for ioc in machine.iocs().values() for name in ioc.records)
            if records:
                names = named_in(script, records)
                if names and machine.name not in self.watches:
                    self.watches[machine.name] = watch = PvWatch(machine.address, names)
                    watch.start()
                return
            time.sleep(0.05)

    def _answer(self, name: str, tool: str, words: list[str]) -> tuple[int, str]:
        machine = self.machines[name]
        return systemctl.journalctl(machine, words) if tool == "journalctl" else systemctl.systemctl(machine, words)

    # --- names of the script ---

    def start_all(self) -> None:
        """Start all machines at once."""
        with self.log.nested("start all machines"):
            self._in_parallel([machine.start for machine in self.machines.values()])

    def _in_parallel(self, works: list[Callable[[], None]]) -> None:
        if len(works) == 1:
            works[0]()
            return
        errors: list[BaseException] = []

        def guarded(work: Callable[[], None]) -> None:
            try:
                work()
            except BaseException as error:  # given to the caller
                errors.append(error)

        threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    def join_all(self) -> None:
        """Shut all machines down."""
        for machine in self.machines.values():
            machine.shutdown()

    def retry(self, fn: Callable[..., Any], timeout: float | None = None, *, timeout_seconds: float | None = None) -> None:
        """Call `fn(last_try)` until it returns True, or the time is over; then once more, with True."""
        limit = timeout if timeout is not None else timeout_seconds if timeout_seconds is not None else DEFAULT_TIMEOUT_S
        self.waits.until(fn, limit, f"{getattr(fn, '__name__', 'function')}() true")

    def polling_condition(
        self, fun: Callable[..., Any] | None = None, *, seconds_interval: float = 2.0, description: str | None = None
    ) -> Any:
        """Mark a function that must stay true for as long as its `with` block lasts."""

        def decorated(function: Callable[..., Any]) -> Any:
            words = description or (function.__doc__ or function.__name__).strip()
            return lambda: self._holding(Condition(function, seconds_interval, words))

        return decorated(fun) if fun is not None else decorated

    @contextmanager
    def _holding(self, condition: Condition) -> Iterator[None]:
        self.waits.conditions.append(condition)
        try:
            condition.hold()
            yield
        finally:
            self.waits.conditions.remove(condition)

    def create_machine(self, start_command: Any = None, *, name: str | None = None, **_: Any) -> Machine:  # noqa: ARG002
        """Make one more machine, without units."""
        free = name or next(f"machine{number}" for number in range(1, 1000) if f"machine{number}" not in self.machines)
        return self._add(MachineSpec(name=free))

    def namespace(self) -> dict[str, Any]:
        """Return the names that a script sees."""
        names: dict[str, Any] = {
            "start_all": self.start_all,
            "join_all": self.join_all,
            "retry": self.retry,
            "subtest": self.log.subtest,
            "polling_condition": self.polling_condition,
            "create_machine": self.create_machine,
            "test_script": self.script,
            "run_tests": self.script,
            "serial_stdout_on": lambda: None,
            "serial_stdout_off": lambda: None,
            "machines": list(self.machines.values()),
            "machines_qemu": [],
            "machines_nspawn": [],
            "vlans": [],
            "driver": self,
            "log": self.log,
            "os": os,
            "t": TestCase(),
            "debug": _Debug(),
            "Machine": Machine,
            "BaseMachine": Machine,
            "RequestedAssertionFailed": RequestedAssertionFailed,
        }
        names |= {python_name(name): machine for name, machine in self.machines.items()}
        if len(self.machines) == 1:
            names.setdefault("machine", next(iter(self.machines.values())))
        return names

    # --- the script ---

    def script(self) -> None:
        """Run the script with its names."""
        source = self.check.script.read_text(encoding="utf-8")
        code = compile(source, str(self.check.script), "exec")
        names = {"__name__": "__main__", "__builtins__": builtins, "__file__": str(self.check.script), **self.namespace()}
        sys.path.insert(0, str(self.check.folder))  # as for any script
        try:
            exec(code, names)  # noqa: S102
        finally:
            sys.path.remove(str(self.check.folder))

    def test(self) -> Result:
        """Run the check; return how it went. Machines run until the driver is left."""
        begin = time.monotonic()
        self.waits.deadline = begin + self.check.timeout_s
        problem = place = ""
        explanation = Explanation()
        try:
            self.script()
        except KeyboardInterrupt:
            raise
        except SyntaxError as error:
            problem, place = f"SyntaxError: {error}", f"{error.filename}, line {error.lineno}"
        except (Exception, SystemExit) as error:
            problem, place = told(error), self._place(error)
            self.waits.conditions.clear()
            explanation = explain(self.machines, self.log, self.watches)
        return Result(
            name=self.check.name,
            script=self.check.script,
            elapsed_s=time.monotonic() - begin,
            problem=problem,
            place=place,
            subtests=self.log.subtests,
            explanation=explanation,
        )

    def _place(self, error: BaseException) -> str:
        """Return the lines of the script that lead to an error."""
        lines = Path(self.check.script).read_text(errors="replace").splitlines()
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(self.check.script)]
        shown = [f"{self.check.script}, line {frame.lineno}: {lines[frame.lineno - 1].strip()}" for frame in frames if frame.lineno]
        return "\n".join(shown)


def told(error: BaseException) -> str:
    """Return an error as a person reads it; one that testbeam did not raise with its type."""
    if isinstance(error, RequestedAssertionFailed | TestbeamError):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def python_name(name: str) -> str:
    """Return a machine's name as one of Python."""
    made = re.sub(r"\W", "_", name)
    return f"{made}_" if keyword.iskeyword(made) else made


class _Debug:
    """`debug.breakpoint()`: a prompt in the middle of a script."""

    def breakpoint(self, logs: Any = None) -> None:  # noqa: ARG002
        """Open a prompt where the script stands, with its names."""
        import code

        frame = sys._getframe(1)  # noqa: SLF001 — the script's own frame is what is wanted
        code.interact(local={**frame.f_globals, **frame.f_locals}, banner="the script stands here; Ctrl-D lets it go on", exitmsg="")


def machine_names(check: CheckSpec) -> Mapping[str, str]:
    """Return the machines of a check by the names that its script uses.

    Raises:
        StackError: two of them have one name.
    """
    names: dict[str, str] = {}
    for machine in check.machines:
        name = python_name(machine.name)
        if name in names:
            raise StackError(f"machines {names[name]!r} and {machine.name!r} would both be {name} in the script; rename one")
        names[name] = machine.name
    return names
