"""Probe that connects to a port."""

import socket
from dataclasses import dataclass

from testbeam.kit.spec import ProbeResult, ServiceView


@dataclass(frozen=True, slots=True)
class PortListens:
    """Ready when a TCP connect to the named port, or to a `host:port` template, is accepted; IPv6 as `[::1]:80`.

    The weakest of probes: a kernel accepts for a process that hangs. Ask the protocol where there is one.
    """

    port: str
    timeout_s: float = 0.5

    def check(self, service: ServiceView) -> ProbeResult:
        """Connect once to each address that the name has, IPv4 or IPv6, until one accepts."""
        host, number = self._where(service)
        try:
            socket.create_connection((host.strip("[]"), number), timeout=self.timeout_s).close()
        except OSError as error:
            return ProbeResult(ready=False, detail=f"{host}:{number}: {error.strerror or error}")
        return ProbeResult(ready=True, detail=f"{host}:{number}: accepts")

    def _where(self, service: ServiceView) -> tuple[str, int]:
        if self.port in service.ports:
            return service.address, service.ports[self.port]
        host, _, number = service.endpoints.get(self.port, service.fill(self.port)).rpartition(":")
        return host, int(number)
