"""Probe that asks for nothing but the process."""

from dataclasses import dataclass

from testbeam.kit.spec import ProbeResult, ServiceView


@dataclass(frozen=True, slots=True)
class ProcessAlive:
    """Ready as soon as the process is spawned: all that can be asked of a command which nobody connects to."""

    def check(self, service: ServiceView) -> ProbeResult:
        """Look once."""
        return ProbeResult(ready=service.is_running(), detail=f"pid {service.pid} {'runs' if service.is_running() else 'has ended'}")
