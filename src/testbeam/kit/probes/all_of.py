"""Probe that joins others: ready when every one of them is."""

from dataclasses import dataclass

from testbeam.kit.spec import Declared, Probe, ProbeResult, ServiceView


@dataclass(frozen=True, slots=True)
class AllOf:
    """Ready when every probe is, asked in order; the first that is not says what was seen."""

    probes: tuple[Probe, ...]

    def check_declared(self, declared: Declared) -> None:
        """Raise StackError for what one of them would ask in vain."""
        for probe in self.probes:
            if check_declared := getattr(probe, "check_declared", None):
                check_declared(declared)

    def check(self, service: ServiceView) -> ProbeResult:
        """Ask each until one is not ready."""
        details = []
        for probe in self.probes:
            seen = probe.check(service)
            if not seen.ready:
                return seen
            details.append(seen.detail)
        return ProbeResult(ready=True, detail="; ".join(details))


def all_of(*probes: Probe) -> AllOf:
    """Return a probe that is ready when all of these are."""
    return AllOf(probes)
