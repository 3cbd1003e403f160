"""Channel Access client of the server at one address."""

from dataclasses import dataclass, field
from types import TracebackType

from testbeam.errors import PvMissing, TransportError
from testbeam.model.deadline import Deadline
from testbeam.transport.ca.channel import CaChannel
from testbeam.transport.ca.circuit import Circuit
from testbeam.transport.ca.search import search
from testbeam.transport.epics_environment import CA_PORT
from testbeam.wire.channel_access import requests, values
from testbeam.wire.channel_access.message import Command

_SEARCH_S = 0.06


@dataclass(slots=True)
class CaClient:
    """A client of the one server at `address`, connected when the first channel is asked for; for one thread at a time.

    Being told the address, it reaches any number of servers that come and go, where libca reads its address list once a process.
    """

    address: str
    port: int = CA_PORT
    _circuit: Circuit | None = field(default=None)

    def __enter__(self) -> "CaClient":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the connection and with it all channels."""
        if self._circuit is not None:
            self._circuit.close()
            self._circuit = None

    def channel(self, name: str, within_s: float = 10.0) -> CaChannel:
        """Return a connected channel; waits for a server that is not up yet, but not for a name that a running server does not have.

        Raises:
            PvMissing: the server is there and has no such PV.
            TransportError: no server answers within `within_s`.
            WireError: what answers is no CA server.
        """
        deadline = Deadline(within_s)
        if self._circuit is None:
            self._circuit = self._connect(name, deadline)
        circuit, channel_id = self._circuit, self._circuit.next_id()
        circuit.send(requests.create_channel(name, channel_id))
        answer = circuit.created(channel_id, deadline)
        if answer is None:
            raise TransportError(
                f"PV {name!r}: the CA server at {self.address}:{circuit.port} is silent for {within_s:.3g} s; it may be paused"
            )
        if answer.command == Command.CREATE_CH_FAIL:
            raise PvMissing(name, f"the CA server at {self.address}:{circuit.port}")
        return CaChannel(name, values.field_type(answer.data_type), answer.data_count, circuit, answer.parameter_2, channel_id)

    def _connect(self, name: str, deadline: Deadline) -> Circuit:
        """Ask by UDP who has the PV; without an answer try the server's usual port, which tells an absent PV from an absent server."""
        while True:
            port = search(self.address, name, Deadline(min(_SEARCH_S, deadline.left_s)), self.port) or self.port
            try:
                return Circuit.connect(self.address, port, deadline)
            except OSError as error:
                if deadline.passed:
                    raise TransportError(
                        f"PV {name!r}: no CA server answers at {self.address}:{port} within {deadline.within_s:.3g} s ({error}); "
                        "see whether the IOC runs, and its log"
                    ) from error
