"""Has a service written a file?"""

from dataclasses import dataclass
from pathlib import Path

from testbeam.kit.handle import Handle
from testbeam.kit.seen import Seen


@dataclass(frozen=True, slots=True)
class FileExists:
    """Ready when the path, a template relative to the service's own folder, is there: a file, folder or socket."""

    path: str

    def check(self, service: Handle) -> Seen:
        """Look once."""
        path = service.folder / Path(service.fill(self.path))
        there = path.exists()
        return Seen(ready=there, detail=f"{path} is {'there' if there else 'not there'}")
