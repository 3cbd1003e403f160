"""Probe of an idle service of ours, or of the facility's, by its status on Kafka."""

from dataclasses import dataclass
from pathlib import Path

from testbeam.kit.spec import ProbeResult, ServiceView
from testbeam.stacks.probes.heartbeat import Heartbeat


@dataclass(frozen=True, slots=True)
class IdleStatus:
    """Ready when a status (x5f2) of this start is on Kafka.

    Our programs note in the file `told_by` (a template) that Kafka acknowledged their first status; others are looked for on the topic.
    """

    told_by: str = ""

    def check(self, service: ServiceView) -> ProbeResult:
        """Look once."""
        if self.told_by:
            return _see_file(Path(service.fill(self.told_by)), service.pid)
        of_anyone = "container" in service.options
        return Heartbeat(topic=service.options["status_topic"], brokers=service.options["brokers"], of_anyone=of_anyone).check(service)


def _see_file(path: Path, pid: int | None) -> ProbeResult:
    told = path.read_text() if path.exists() else ""
    if told != str(pid):
        return ProbeResult(
            ready=False, detail=f"Kafka has not acknowledged a status yet ({path} is {'of an earlier start' if told else 'not there'})"
        )
    return ProbeResult(ready=True, detail="Kafka has its idle status")
