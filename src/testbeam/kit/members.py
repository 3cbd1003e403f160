"""Members of a run: allocation (address, ports, folder, argv), lifecycle and handle of each service, by its name."""

import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from testbeam.errors import PortTaken, StackError
from testbeam.kit import environment, graph, host, ports, template, tty_relay
from testbeam.kit.faults.links import Links
from testbeam.kit.guard_client import CommandLine
from testbeam.kit.handle import Handle, handle_class
from testbeam.kit.lifecycle import Context, Lifecycle
from testbeam.kit.protocols import RunLike
from testbeam.kit.run_folder import PRIVATE, Layout
from testbeam.kit.spec import Port, Service, Transport, check_stack


class Allocation:
    """What is reserved for one service for as long as it is part of a run."""

    def __init__(self, service: Service, layout: Layout) -> None:
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
        self._calls = itertools.count(1)

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
            numbers = {port.name: self._hold(port) for port in self.service.ports}
        except StackError as error:
            self.release()
            raise type(error)(f"service {self.service.name!r}: {error}") from None
        self._values = self._own_values() | {f"port.{name}": str(number) for name, number in numbers.items()}
        self.ports = MappingProxyType(numbers)

    def _hold(self, port: Port) -> int:
        held = ports.hold(self.address, port.fixed, usual=port.usual, transport=port.transport)
        self._held.callback(held.release)
        if not port.hold:
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

    def connect(self, others: Mapping[str, "Allocation"]) -> None:
        """Fill in the endpoints, in the order of needs: an endpoint may be made of those of a service that is needed."""
        needed = {f"{need}.{name}": value for need in self.service.needs for name, value in others[need].endpoints.items()}
        self._values |= needed
        self.endpoints = MappingProxyType({name: self.fill(text, f"endpoint {name}") for name, text in self.service.endpoints.items()})

    def check_ports(self) -> None:
        """Raise PortTaken where another process has one of the service's own ports, TCP (which are held by us) or UDP."""
        for port in self.service.ports:
            number = self.ports[port.name]
            if not port.forwards_to and (holders := self._foreign_holders(number, port.transport)):
                what = f"service {self.service.name!r}: its port {port.name} ({number} of {self.address}) is taken by {holders[0]}"
                raise PortTaken(f"{what}, perhaps left by an earlier start; stop that process, then start the service again")

    def _foreign_holders(self, number: int, transport: Transport) -> list[host.PortHolder]:
        """Return who is in the way; a socket for datagrams to every address is not, where it lets others share the port."""
        found = [] if transport == "udp" else [*host.port_holders(number, "tcp", self.address)]
        datagrams = () if transport == "tcp" else host.port_holders(number, "udp", self.address)
        return found + [one for one in datagrams if not one.is_everywhere or ports.is_refused(self.address, number)]

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
            self.folder.mkdir(exist_ok=True, mode=PRIVATE)
            for path, text in self.service.files.items():
                target = self.layout.folder / self.fill(path, f"file {path}")
                target.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
                target.touch(mode=0o600)
                target.chmod(0o644 if "container" in self.service.options else 0o600)  # within a container it is read as another user
                target.write_text(self.fill(text, f"file {path}"), encoding="utf-8")
        except OSError as error:
            raise StackError(f"service {self.service.name!r}: its files can't be written: {host.why(error)}") from None

    def argv(self) -> tuple[str, ...]:
        """Return the words of the command."""
        words = tuple(self.fill(word, "command") for word in self.service.command)
        return (sys.executable, "-I", "-S", tty_relay.__file__, *words) if self.service.tty else words

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

    def call_line(self, argv: Sequence[str], output: Path) -> CommandLine:
        """Return how a command is spawned beside the service, in its folder and environment."""
        return CommandLine(argv=tuple(argv), env=self.environment(), cwd=self.folder, stdout=output)

    @contextmanager
    def scratch_file(self) -> Iterator[Path]:
        """Give an empty file for the block, for the output of a command."""
        path = self.layout.log_dir / f"{self.service.name}.call-{next(self._calls)}"
        path.touch(mode=0o600)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def environment(self) -> dict[str, str]:
        """Return the service's whole environment."""
        own = {name: self.fill(value, f"env {name}") for name, value in self.service.env.items()}
        return environment.service_environment(self.layout.run_id, own, self.layout.kept)

    def release(self) -> None:
        """Give address and ports back."""
        self._held.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One service of a run."""

    service: Service
    allocation: Allocation
    lifecycle: Lifecycle
    handle: Handle


class Members:
    """The services of one run by name; they may be added and removed while it lives."""

    def __init__(self, run: RunLike, layout: Layout, context: Context, links: Links) -> None:
        self._run = run
        self._layout = layout
        self._context = context
        self._links = links
        self._members: dict[str, Member] = {}

    def __getitem__(self, name: str) -> Member:
        return self._members[name]

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._members))

    @property
    def all(self) -> tuple[Member, ...]:
        """Return them in the order in which they were added."""
        return tuple(self._members.values())

    @property
    def handles(self) -> dict[str, Handle]:
        """Return the handle of every service, by name."""
        return {name: member.handle for name, member in self._members.items()}

    def add(self, services: tuple[Service, ...]) -> dict[str, Member]:
        """Reserve what the services need, write their files, and return them as members.

        Raises:
            StackError: the declarations don't fit together, or something can't be had.
        """
        everyone = {each.name: each for each in (*(member.service for member in self.all), *services)}
        check_stack((*(member.service for member in self.all), *services))
        allocations = {name: member.allocation for name, member in self._members.items()}
        new = {service.name: Allocation(service, self._layout) for service in services}
        try:
            for allocation in new.values():
                allocation.reserve()
            for name in graph.start_order({name: service.needs for name, service in everyone.items()}).static_order():
                if name in new:
                    self._members[name] = self._furnished(new[name], allocations | new)
        except BaseException:
            for name, allocation in new.items():
                self._links.forget(f"{name}:")
                allocation.release()
                self._members.pop(name, None)
            raise
        return {service.name: self._members[service.name] for service in services}

    def _furnished(self, allocation: Allocation, allocations: Mapping[str, Allocation]) -> Member:
        service = allocation.service
        allocation.connect(allocations)
        allocation.write_files()
        for port, target in allocation.relayed().items():
            self._links.open(f"{service.name}:{port}", (allocation.address, allocation.ports[port]), target)
        lifecycle = Lifecycle(service, allocation, self._context)
        return Member(service=service, allocation=allocation, lifecycle=lifecycle, handle=handle_class(service)(self._run, lifecycle))

    def remove(self, name: str) -> None:
        """Forget a service and give its address and ports back."""
        member = self._members.pop(name, None)
        if member is not None:
            self._links.forget(f"{name}:")
            member.allocation.release()

    def release_all(self) -> None:
        """Give every address and port back."""
        for member in self.all:
            member.allocation.release()

    def free_name(self, name: str) -> str:
        """Return the name, or the next free one made of it (`filewriter-2`)."""
        number, free = 1, name
        while free in self._members:
            number += 1
            free = f"{name}-{number}"
        return free
