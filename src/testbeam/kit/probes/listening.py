"""Probe that connects to a port."""

import re
import socket
from dataclasses import dataclass

from testbeam.kit import template
from testbeam.kit.spec import Declared, ProbeResult, ServiceView

_ADDRESS = re.compile(r".+:[0-9]+")


@dataclass(frozen=True, slots=True)
class PortListens:
    """Ready when a TCP connect to the named port, or to a `host:port` template, is accepted; IPv6 as `[::1]:80`.

    The weakest of probes: a kernel accepts for a process that hangs. Ask the protocol where there is one.
    """

    port: str
    timeout_s: float = 0.5

    def check_declared(self, declared: Declared) -> None:
        """Raise StackError for what names no port and is no `host:port`."""
        declared.check_templates(self.port)
        known = (*declared.ports, *declared.endpoints)
        if self.port not in known and "${" not in self.port and not _ADDRESS.fullmatch(self.port):
            raise declared.refusal(f"{self.port!r} is neither a port of it nor host:port; {template.near(self.port, known)}")

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
