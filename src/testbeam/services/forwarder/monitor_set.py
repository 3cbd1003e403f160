"""Monitor set: the clients that watch PVs, one for each protocol, made when its first stream comes; and how often they are looked at."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from testbeam.errors import TestbeamError
from testbeam.model.forwarding import Protocol, StreamSpec
from testbeam.model.updates import UpdateBatch
from testbeam.services.forwarder.serialisers import WITH_UNITS
from testbeam.services.forwarder.status import Problems
from testbeam.transport.monitors.protocols import Monitors

_OVER_S = 0.25
_BUSY_PER_S = 2_000
_WAITS = ((5_000, 0.02), (_BUSY_PER_S, 0.01))  # from so many updates/s on, so many seconds
_SHORTEST_S = 0.002


@dataclass(slots=True)
class MonitorSet:
    """The clients of all protocols as one; `open_client` makes one. With `units` every stream asks for them."""

    open_client: Callable[[Protocol], Monitors]
    problems: Problems
    units: bool = False
    _clients: dict[Protocol, Monitors] = field(default_factory=dict)

    def subscribe(self, number: int, spec: StreamSpec) -> None:
        """Watch a stream's PV; a protocol that can't be had here leaves the stream unconnected, and is a problem."""
        try:
            if spec.protocol not in self._clients:
                self._clients[spec.protocol] = self.open_client(spec.protocol)
            self._clients[spec.protocol].subscribe(number, spec.channel, units=self.units or spec.schema in WITH_UNITS)
        except (TestbeamError, OSError) as error:
            self.problems.note(f"{spec.channel} can't be watched over {spec.protocol.name}: {error}")

    def unsubscribe(self, number: int, spec: StreamSpec) -> None:
        """Stop watching."""
        if spec.protocol in self._clients:
            self._clients[spec.protocol].unsubscribe(number)

    def drain(self) -> Iterator[UpdateBatch]:
        """Yield what each client has gathered."""
        return (client.drain() for client in self._clients.values())

    def wake(self, file: int) -> None:
        """Have the pipe `file` written to when the next update comes."""
        for client in self._clients.values():
            client.wake(file)

    @property
    def channel_access(self) -> str:
        """Return by what updates of Channel Access are received; "" while no stream uses it."""
        client = self._clients.get(Protocol.CA)
        return str(getattr(getattr(client, "receiver", None), "name", ""))

    def close(self) -> None:
        """Close all clients."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()


@dataclass(slots=True)
class Pace:
    """How long updates are let gather before a round, which costs some 0.2 ms however many there are.

    `per_s` is their rate over the last quarter of a second; monotonic seconds come from the caller.
    """

    per_s: float = 0.0
    _count: int = 0
    _since_s: float | None = None

    def add(self, count: int, now_s: float) -> None:
        """Take in how many updates the last round had."""
        if self._since_s is None:
            self._since_s = now_s
        self._count += count
        passed_s = now_s - self._since_s
        if passed_s >= _OVER_S:
            self.per_s, self._count, self._since_s = self._count / passed_s, 0, now_s

    @property
    def is_busy(self) -> bool:
        """Tell whether more come than are worth a round each."""
        return self.per_s >= _BUSY_PER_S

    def wait_s(self) -> float:
        """Return how long to wait after a round that had updates."""
        return next((wait_s for per_s, wait_s in _WAITS if self.per_s >= per_s), _SHORTEST_S)
