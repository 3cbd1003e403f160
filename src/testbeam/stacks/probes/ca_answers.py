"""Probe of a Channel Access server."""

from dataclasses import dataclass

from testbeam.errors import PvMissing
from testbeam.kit.spec import Declared, ProbeResult, ServiceView
from testbeam.model.deadline import Deadline
from testbeam.transport.ca.client import CaClient
from testbeam.transport.epics_environment import CA_PORT

_LOOK_S = 0.4
_ANY_NAME = "testbeam:ready?"


@dataclass(frozen=True, slots=True)
class CaAnswers:
    """Ready when the PV is read over Channel Access; without one, when the server answers at all, be it that it has no such PV.

    The server is asked at the endpoint `ca`, else at the usual port of the service's address. A base IOC answers only once
    iocInit is over, so the answer "no" tells as much.
    """

    pv: str = ""

    def check_declared(self, declared: Declared) -> None:
        """Raise StackError for a template that will not be there."""
        declared.check_templates(self.pv)

    def check(self, service: ServiceView) -> ProbeResult:
        """Look once, over a connection of its own."""
        host, _, port = service.endpoints.get("ca", f"{service.address}:{CA_PORT}").rpartition(":")
        deadline, pv = Deadline(_LOOK_S), service.fill(self.pv)
        try:
            with CaClient(host, int(port)) as client:
                reading = client.channel(pv or _ANY_NAME, deadline.left_s).get(deadline.left_s)
        except PvMissing as error:
            return ProbeResult(ready=not pv, detail=str(error) if pv else f"the CA server at {host}:{port} answers")
        return ProbeResult(ready=True, detail=f"{pv} answers over CA with {reading.value!r:.60}")
