"""Lifecycle, allocation and faults of a run that another process hosts: the protocols of `kit.protocols`, over a channel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbeam.errors import StackError
from testbeam.hosting.channel import Channel
from testbeam.hosting.run_control import error_of
from testbeam.kit.faults.fault import Fault
from testbeam.kit.spec import CommandResult, ProbeResult, Service, ServiceView
from testbeam.kit.state import State

_MARGIN_S = 5.0


class RemoteAllocation:
    """Where a service lives; read once, as it does not change."""

    def __init__(self, channel: Channel, described: Mapping[str, Any]) -> None:
        self._channel = channel
        self._name = described["name"]
        self.folder = Path(described["folder"])
        self.log_path = Path(described["log_path"])
        self.stdout_path = Path(described["stdout_path"])
        self.address: str = described["address"]
        self.ports: Mapping[str, int] = described["ports"]
        self.endpoints: Mapping[str, str] = described["endpoints"]

    def fill(self, text: str) -> str:
        """Return a template with the service's values."""
        filled: str = self._channel.ask("fill", service=self._name, text=text)
        return filled

    def environment(self) -> dict[str, str]:
        """Return the service's whole environment."""
        found: dict[str, str] = self._channel.ask("environment", service=self._name)
        return found


@dataclass(slots=True, kw_only=True)
class RemoteProcess:
    """What was seen of a process when it was looked at, or waited for, last."""

    channel: Channel
    service: str
    pid: int | None
    exit_code: int | None
    running: bool

    def is_running(self) -> bool:
        """Return whether it ran then."""
        return self.running

    def wait_ended(self, timeout_s: float | None = None) -> bool:
        """Wait for its end, on a connection of its own; return False where the time was too short."""
        timeout_s = 1e6 if timeout_s is None else timeout_s
        with Channel(self.channel.path, timeout_s + _MARGIN_S) as channel:
            try:
                self.exit_code = channel.ask("wait_exit", service=self.service, timeout_s=timeout_s)
            except TimeoutError:
                return False
        self.running = False
        return True

    def ending(self) -> str:
        """Say in words how it ended."""
        return "is running" if self.exit_code is None else f"ended with code {self.exit_code}"


class RemoteLifecycle:
    """One service of a stack that another process hosts; every look is fresh."""

    def __init__(self, service: Service, allocation: RemoteAllocation, channel: Channel) -> None:
        self.service = service
        self.allocation = allocation
        self.memory: dict[str, Any] = {}
        self._channel = channel

    @property
    def state(self) -> State:
        """Return where the service is between its declaration and its end."""
        return State(self._look()["state"])

    @property
    def process(self) -> RemoteProcess | None:
        """Return what is seen of its process; None before it is spawned, or where it runs elsewhere."""
        seen = self._look()
        if seen["pid"] is None:
            return None
        return RemoteProcess(
            channel=self._channel, service=self.service.name, pid=seen["pid"], exit_code=seen["exit_code"], running=seen["running"]
        )

    @property
    def ready_s(self) -> float | None:
        """Return when it was ready, in seconds since the start of the run."""
        ready_s: float | None = self._look()["ready_s"]
        return ready_s

    @property
    def last_seen(self) -> ProbeResult:
        """Return what its probe saw last."""
        state = self._look()
        return ProbeResult(ready=state["state"] == State.READY, detail=str(state["last_seen"]))

    @property
    def log_start(self) -> int:
        """Return the size of the log at this start."""
        return int(self._look()["log_start"])

    @property
    def error(self) -> StackError | None:
        """Return why it failed or crashed."""
        told = self._look()["error"]
        if told is None:
            return None
        error = error_of(*told)
        return error if isinstance(error, StackError) else StackError(str(error))

    def start(self, service: ServiceView) -> None:  # noqa: ARG002 - the host has a handle of its own for its probe
        """Start it and wait until it is ready; raise as `Handle.start`."""
        self._say("start")

    def stop(self, *, kill: bool = False) -> None:
        """Stop or kill it and wait until nothing of it is left."""
        self._say("kill" if kill else "stop")

    def pause(self) -> None:
        """Stop its clock."""
        self._say("pause")

    def resume(self) -> None:
        """Let it go on."""
        self._say("resume")

    def call(self, argv: Sequence[str], within_s: float) -> CommandResult:
        """Run a command in its folder and environment, on a connection of its own."""
        with Channel(self._channel.path, within_s + _MARGIN_S) as channel:
            return CommandResult(**channel.ask("call", service=self.service.name, argv=list(argv), within_s=within_s))

    def send_signal(self, number: int) -> None:
        """Send a signal to it and all that descend from it."""
        self._channel.ask("send_signal", service=self.service.name, number=int(number))

    def expect_exit(self, change: int) -> None:
        """Allow (+1) or stop allowing (-1) that it ends."""
        self._channel.ask("expect_exit", service=self.service.name, change=change)

    def _say(self, word: str) -> None:
        self._channel.ask(word, service=self.service.name)

    def _look(self) -> dict[str, Any]:
        seen: dict[str, Any] = self._channel.ask("look", service=self.service.name)
        return seen


class RemoteFaults:
    """The faults that this process has had the host of the run begin; what lasts of them is ended when it leaves, however it does."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._active: list[Fault] = []

    @property
    def active(self) -> tuple[Fault, ...]:
        """Return what this process has broken, the oldest first."""
        return tuple(self._active)

    def begin(self, fault: Fault) -> None:
        """Begin a fault; raise what it raises."""
        fault.number = self._channel.ask("fault_begin", service=fault.handle.name, kind=fault.kind, options=dict(fault.parameters))
        fault.is_active = True
        self._active.append(fault)

    def end(self, fault: Fault, why: str) -> None:
        """End a fault, if it is active; raise what it raises."""
        if not fault.is_active:
            return
        fault.is_active = False
        self._active.remove(fault)
        fault.last_counts = self._channel.ask("fault_end", number=fault.number, why=why)

    def change(self, fault: Fault, words: Mapping[str, Any]) -> None:
        """Change an active fault; raise what it raises."""
        self._channel.ask("fault_change", number=fault.number, options=dict(words))

    def counts(self, fault: Fault) -> dict[str, int]:
        """Return what an active fault has counted."""
        found: dict[str, int] = self._channel.ask("fault_counts", number=fault.number)
        return found
