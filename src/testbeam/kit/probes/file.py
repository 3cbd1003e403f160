"""Probe that waits for a file."""

from dataclasses import dataclass
from pathlib import Path

from testbeam.kit.spec import Declared, ProbeResult, ServiceView


@dataclass(frozen=True, slots=True)
class FileExists:
    """Ready when the path, a template relative to the service's own folder, is there: a file, folder or socket."""

    path: str

    def check_declared(self, declared: Declared) -> None:
        """Raise StackError for a template that will not be there."""
        declared.check_templates(self.path)

    def check(self, service: ServiceView) -> ProbeResult:
        """Look once."""
        path = service.folder / Path(service.fill(self.path))
        there = path.exists()
        return ProbeResult(ready=there, detail=f"{path} is {'there' if there else 'not there'}")
