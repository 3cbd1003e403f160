"""PVs of one IOC read and written by Channel Access without a connection to look after."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from testbeam.model.deadline import Deadline
from testbeam.transport.ca.client import CaClient
from testbeam.transport.epics_environment import CA_PORT
from testbeam.wire.pv_reading import PvValue, Reading, Scalar


@dataclass(frozen=True, slots=True)
class CaPvClient:
    """Connects anew for every call, at half a millisecond: an IOC that was restarted meanwhile is never missed, and any thread may call."""

    address: str
    port: int = CA_PORT
    protocol: str = "CA"

    def __str__(self) -> str:
        return f"{self.address}:{self.port} (CA)"

    def get(self, name: str, within_s: float) -> Reading:
        """Return the value of now; see `CaClient.channel` and `CaChannel.get` for what is raised."""
        deadline = Deadline(within_s)
        with CaClient(self.address, self.port) as client:
            return client.channel(name, deadline.left_s).get(deadline.left_s)

    def put(self, name: str, value: PvValue | Sequence[Scalar], wait: bool, within_s: float) -> None:
        """Write; see `CaClient.channel` and `CaChannel.put` for what is raised."""
        deadline = Deadline(within_s)
        with CaClient(self.address, self.port) as client:
            client.channel(name, deadline.left_s).put(value, wait, deadline.left_s)

    def updates(self, name: str, within_s: float) -> Iterator[Reading]:
        """Yield the value of now and every change until the time is up; see `CaChannel.updates`."""
        deadline = Deadline(within_s)
        with CaClient(self.address, self.port) as client:
            yield from client.channel(name, deadline.left_s).updates(deadline.left_s)

    def close(self) -> None:
        """Do nothing: no connection is kept."""
