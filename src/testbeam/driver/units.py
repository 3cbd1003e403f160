"""The units of machines as services of a run: what each is started with, and what systemd would say of it."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from testbeam.driver.spec import CheckSpec, MachineSpec, UnitSpec
from testbeam.errors import StackError
from testbeam.kit.handle import Handle
from testbeam.kit.probes.listening import PortListens
from testbeam.kit.spec import Service
from testbeam.kit.state import State
from testbeam.stacks.roles.ioc.declaration import RECORDS_FILE, IocHandle
from testbeam.transport.epics_environment import CA_PORT, PVA_PORT, client_environment, server_environment

WIRE_LOG = "wire.jsonl"
SHELL_SOCKET = "iocsh"
START_REPORT = "start.json"
BACKDOOR = "backdoor"
CONSOLE = "console"  # a pipe that does not end: an IOC ends with its standard input
_WITH_CONSOLE = '{ [ -p "$3" ] || mkfifo -m 600 "$3"; } && exec <>"$3" && cd "$(dirname "$2")" && exec "$1" "$2"'
TARGETS = ("default.target", "multi-user.target", "network.target", "network-online.target", "sysinit.target", "basic.target")

ACTIVE, INACTIVE, FAILED, ACTIVATING = "active", "inactive", "failed", "activating"


def service_name(machine: str, unit: str) -> str:
    """Return what a unit is called within the run."""
    return f"{machine}-{unit}"


class UnitService:
    """Makes the service of one unit."""

    def __init__(self, check: CheckSpec, machine: MachineSpec, address: str, hosts: Mapping[str, str]) -> None:
        self._check = check
        self._machine = machine
        self._address = address
        self._hosts = dict(hosts)  # addresses of all machines
        self._others = tuple(other for other in dict.fromkeys(self._hosts.values()) if other != address)

    def make(self, unit: UnitSpec) -> Service:
        """Return the service of a unit."""
        return Service(
            service_name(self._machine.name, unit.name),
            role="ioc" if unit.is_ioc else "",
            command=self._command(unit),
            needs=tuple(service_name(self._machine.name, other) for other in unit.after),
            env=self._environment(unit),
            endpoints=self._endpoints(unit),
            ready=self._probe(unit),
            handle=IocHandle if unit.is_ioc else Handle,
            stop_timeout_s=5.0,
        )

    def _command(self, unit: UnitSpec) -> tuple[str, ...]:
        if unit.binary:
            script = self._path(unit.st_cmd)
            return ("/bin/sh", "-c", _WITH_CONSOLE, "sh", self._path(unit.binary), script, CONSOLE)
        if unit.is_ioc:
            return self._ioc(unit)
        if unit.device:
            return self._device(unit)
        return tuple(self._filled(word) for word in unit.command)

    def _ioc(self, unit: UnitSpec) -> tuple[str, ...]:
        command = [sys.executable, "-m", "testbeam.services.ioc", "--address", self._address, "--localhost", self._address]
        command += ["--records-file", RECORDS_FILE, "--qsrv", str(unit.qsrv)]
        command += ["--skip-init-sleep", "--wire-log", WIRE_LOG, "--shell-socket", SHELL_SOCKET, "--start-report", START_REPORT]
        command += [word for other in self._others for word in ("--peer", other)]
        command += [word for name, address in self._hosts.items() for word in ("--host", f"{name}={address}")]
        if unit.st_cmd:
            command += ["--st-cmd", self._path(unit.st_cmd)]
        command += [word for entry in unit.db for word in ("--db", self._entry(entry))]
        for option, pairs in (("--port", unit.ports), ("--macro", {} if unit.st_cmd else unit.macros), ("--device", unit.devices)):
            command += [word for name, value in pairs.items() for word in (option, f"{name}={self._filled(value)}")]
        return (*command, *(word for folder in unit.protocols for word in ("--protocols", self._path(folder))))

    def _device(self, unit: UnitSpec) -> tuple[str, ...]:
        device = self._path(unit.device) if ".py" in unit.device or ".jsonl" in unit.device else unit.device
        command = [sys.executable, "-m", "testbeam.simulators.devices", "--device", device, "--address", self._address]
        command += ["--backdoor", BACKDOOR, "--seed", str(unit.seed)]
        command += ["--port", str(unit.port)] if unit.port is not None else []
        command += [word for name, value in unit.faults.items() for word in ("--fault", f"{name}={value}")]
        return (*command, *(word for name, value in unit.state.items() for word in ("--set", f"{name}={value}")))

    def _environment(self, unit: UnitSpec) -> Mapping[str, str]:
        macros = unit.macros if unit.st_cmd else {}  # a start-up file has them from its environment
        own = {**self._machine.environment, **macros, **unit.environment}
        values = {name: self._filled(value) for name, value in own.items()}
        if unit.binary:
            values = {**client_environment([self._address, *self._others]), **server_environment(self._address), **values}
        return values

    def _endpoints(self, unit: UnitSpec) -> Mapping[str, str]:
        if not unit.is_ioc:
            return {}
        return {"ca": f"{self._address}:{CA_PORT}", "pva": f"{self._address}:{PVA_PORT}", "address": self._address}

    def _probe(self, unit: UnitSpec) -> Any:
        port = self._listens(unit)
        return PortListens(f"{self._address}:{port}") if port is not None else None

    def _listens(self, unit: UnitSpec) -> int | None:
        if unit.device:
            from testbeam.simulators.devices.catalog import DEVICES, device_class  # late: a check without a simulator does without

            if unit.port is not None:
                return unit.port
            return device_class(unit.device).port if unit.device in DEVICES else None
        return unit.listens[0] if unit.listens else None

    def _path(self, text: str) -> str:
        """Return a path that is relative to the check; the class after a colon stays as it is."""
        file, colon, kind = text.partition(":")
        return str((self._check.folder / Path(file).expanduser()).resolve()) + colon + kind

    def _entry(self, text: str) -> str:
        file, comma, macros = text.partition(",")
        return self._path(file) + comma + self._filled(macros)

    def _filled(self, text: str) -> str:
        """Put the machines' addresses and the check's folder in."""
        for name, address in self._hosts.items():
            text = text.replace(f"${{{name}.address}}", address)
        return text.replace("${address}", self._address).replace("${checks}", str(self._check.folder)).replace("${python}", sys.executable)


def unit_state(handle: Handle | None) -> str:
    """Return what systemd would call the state of a unit."""
    if handle is None or handle.state in (State.STOPPED, State.DECLARED, State.STOPPING):
        return INACTIVE
    if handle.state in (State.FAILED, State.CRASHED):
        return FAILED
    return ACTIVATING if handle.state is State.STARTING else ACTIVE


def plain(name: str) -> str:
    """Return the name of a unit without `.service`."""
    return name.removesuffix(".service")


def no_such_unit(machine: str, unit: str, known: Sequence[str]) -> StackError:
    """Return the error for a unit that a machine does not have."""
    return StackError(f"machine {machine!r} has no unit {unit!r}; it has {', '.join(f'{name}.service' for name in known) or 'none'}")
