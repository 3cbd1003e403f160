"""Where a service lives within a run: folder, log, address, ports, and its templates filled in."""

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from testbeam.errors import StackError
from testbeam.kit import environment, ports, template
from testbeam.kit.process import CommandLine

if TYPE_CHECKING:
    from testbeam.kit.spec import Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The folders of one run, and what its services see of the caller."""

    folder: Path
    run_id: str
    kept: Mapping[str, str] = field(default_factory=environment.scrubbed)  # of the caller's environment, once for all services

    def make(self) -> None:
        """Create the folders.

        Raises:
            StackError: one can't be made.
        """
        try:
            for folder in (self.folder, self.log_dir, self.config_dir):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StackError(
                f"run folder {self.folder}: {error.strerror} ({error.filename}); give a folder that can be written: run(folder=…)"
            ) from None

    @property
    def log_dir(self) -> Path:
        """Return where every service's log goes."""
        return self.folder / "log"

    @property
    def config_dir(self) -> Path:
        """Return where configuration files go."""
        return self.folder / "config-files"

    @property
    def journal_path(self) -> Path:
        """Return where the events of the run go."""
        return self.folder / "events.jsonl"


class Place:
    """What is reserved for one service for as long as it is part of a run."""

    def __init__(self, service: "Service", layout: Layout) -> None:
        self.service = service
        self.layout = layout
        self.folder = layout.folder / service.name
        self.log_path = layout.log_dir / f"{service.name}.log"
        self.stdout_path = layout.log_dir / f"{service.name}.stdout.log" if service.separate_stdout else self.log_path
        self.address = ports.LOOPBACK
        self.endpoints: Mapping[str, str] = {}
        self._values: dict[str, str] = {}
        self._unheld: list[ports.HeldPort] = []
        self._held = ExitStack()

    def reserve(self) -> None:
        """Lease the address and hold the ports.

        Raises:
            PortTaken: somebody else has one of them.
        """
        try:
            if self.service.own_address:
                lease = ports.lease()
                self._held.callback(lease.release)
                self.address = lease.address
            numbers = {port.name: self._hold(port.fixed, hold=port.hold) for port in self.service.ports}
        except StackError as error:
            self.release()
            raise type(error)(f"service {self.service.name!r}: {error}") from None
        self._values = self._own_values() | {f"port.{name}": str(number) for name, number in numbers.items()}
        self.ports = MappingProxyType(numbers)

    def _hold(self, fixed: int | None, *, hold: bool) -> int:
        held = ports.hold(self.address, fixed)
        self._held.callback(held.release)
        if not hold:
            self._unheld.append(held)
        return held.number

    def _own_values(self) -> dict[str, str]:
        layout = self.layout
        return {
            "dir": str(self.folder),
            "run_dir": str(layout.folder),
            "log_dir": str(layout.log_dir),
            "config_dir": str(layout.config_dir),
            "python": sys.executable,
            "name": self.service.name,
            "run_id": layout.run_id,
            "address": self.address,
        }

    def connect(self, others: Mapping[str, "Place"]) -> None:
        """Fill in the endpoints, in the order of needs: an endpoint may be made of those of a service that is needed."""
        needed = {f"{need}.{name}": value for need in self.service.needs for name, value in others[need].endpoints.items()}
        self._values |= needed
        self.endpoints = MappingProxyType({name: self.fill(text, f"endpoint {name}") for name, text in self.service.endpoints.items()})

    def fill(self, text: str, where: str = "template") -> str:
        """Return a template with this service's values."""
        return template.fill(text, self._values, f"service {self.service.name!r} {where}")

    def relayed(self) -> dict[str, tuple[str, int]]:
        """Return the ports that the run itself listens on, and where each leads to."""
        return {port.name: self._target(port.forwards_to) for port in self.service.ports if port.forwards_to}

    def _target(self, forwards_to: str) -> tuple[str, int]:
        if forwards_to in self.ports:
            return self.address, self.ports[forwards_to]
        host, _, number = self.fill(forwards_to, "forwards_to").rpartition(":")
        if not host or not number.isdecimal():
            raise StackError(f"service {self.service.name!r}: forwards_to {forwards_to!r} is neither a port of it nor HOST:PORT")
        return host, int(number)

    def write_files(self) -> None:
        """Make the service's folder and write its files.

        Raises:
            StackError: one can't be written.
        """
        try:
            self.folder.mkdir(exist_ok=True)
            for path, text in self.service.files.items():
                target = self.layout.folder / self.fill(path, f"file {path}")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(self.fill(text, f"file {path}"), encoding="utf-8")
        except OSError as error:
            raise StackError(f"service {self.service.name!r}: {error.filename} can't be written: {error.strerror}") from None

    def argv(self) -> tuple[str, ...]:
        """Return the words of the command."""
        return tuple(self.fill(word, "command") for word in self.service.command)

    def command_line(self) -> CommandLine:
        """Return what to spawn, and let go of ports that the service can't share."""
        while self._unheld:
            self._unheld.pop().release()
        return CommandLine(
            argv=self.argv(),
            env=self.environment(),
            cwd=self.folder,
            stdout=self.stdout_path,
            stderr=self.log_path,
            at_end=tuple(tuple(self.fill(word, "at_end") for word in argv) for argv in self.service.at_end),
        )

    def prepare_lines(self) -> tuple[CommandLine, ...]:
        """Return what to run to its end, on the user's terminal, before the first start."""
        env = self.environment()
        return tuple(
            CommandLine(argv=tuple(self.fill(word, "prepare") for word in argv), env=env, cwd=self.folder) for argv in self.service.prepare
        )

    def environment(self) -> dict[str, str]:
        """Return the service's whole environment."""
        own = {name: self.fill(value, f"env {name}") for name, value in self.service.env.items()}
        return environment.service_environment(self.layout.run_id, own, self.layout.kept)

    def release(self) -> None:
        """Give address and ports back."""
        self._held.close()
