"""Are several conditions met at once?"""

from testbeam.kit.spec import Probe, ProbeResult, ServiceView


class AllOf:
    """Ready when every probe is, asked in order; the first that is not says what was seen."""

    def __init__(self, *probes: Probe) -> None:
        self.probes = probes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AllOf) and self.probes == other.probes

    def __hash__(self) -> int:
        return hash(self.probes)

    def __repr__(self) -> str:
        return f"all_of({', '.join(map(repr, self.probes))})"

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
    return AllOf(*probes)
