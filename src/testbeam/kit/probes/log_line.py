"""Has a service said in its log that it is ready?"""

import re
from dataclasses import dataclass

from testbeam.kit.spec import ProbeResult, ServiceView

CHUNK_BYTES = 1 << 20
OVERLAP_BYTES = 4096  # a line may be cut by the end of one look


@dataclass(frozen=True, slots=True)
class LogLine:
    """Ready when a line of the log since this start matches a regular expression of at most 4 kB of text."""

    pattern: str

    def check(self, service: ServiceView) -> ProbeResult:
        """Read what is new, at most 1 MB a look, however much there is."""
        key = f"log_line {self.pattern}"
        position = int(service.memory.get(key, service.log_start))
        data = self._read(service, position)
        if re.search(self.pattern, data.decode(errors="replace"), re.MULTILINE):
            return ProbeResult(ready=True, detail=f"log says {self.pattern!r}")
        service.memory[key] = position + max(len(data) - OVERLAP_BYTES, 0)
        return ProbeResult(ready=False, detail=f"no line of the log matches {self.pattern!r}")

    def _read(self, service: ServiceView, position: int) -> bytes:
        if not service.log_path.exists():
            return b""
        with service.log_path.open("rb") as log:
            log.seek(position)
            return log.read(CHUNK_BYTES)
