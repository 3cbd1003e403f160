"""Probe that connects to a port."""

import os
import socket
from dataclasses import dataclass

from testbeam.kit.spec import ProbeResult, ServiceView


@dataclass(frozen=True, slots=True)
class PortListens:
    """Ready when a TCP connect to the named port, or to a `host:port` template, is accepted.

    The weakest of probes: a kernel accepts for a process that hangs. Ask the protocol where there is one.
    """

    port: str
    timeout_s: float = 0.5

    def check(self, service: ServiceView) -> ProbeResult:
        """Connect once."""
        host, number = self._where(service)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.settimeout(self.timeout_s)
            number_of_error = client.connect_ex((host, number))
        return ProbeResult(
            ready=number_of_error == 0, detail=f"{host}:{number}: {os.strerror(number_of_error) if number_of_error else 'accepts'}"
        )

    def _where(self, service: ServiceView) -> tuple[str, int]:
        if self.port in service.ports:
            return service.address, service.ports[self.port]
        host, _, number = service.endpoints.get(self.port, service.fill(self.port)).rpartition(":")
        return host, int(number)
