"""Heartbeat of a service: when it is due, and in which words (x5f2)."""

import os
import socket
from dataclasses import dataclass

from testbeam._version import __version__
from testbeam.model.status import ServiceStatus
from testbeam.wire.flatbuffers.schemas.service_status_x5f2 import encode_x5f2


@dataclass(slots=True)
class Heartbeat:
    """Due at once, then once an interval; a late look is one beat, not several. Monotonic seconds come from the caller."""

    software_name: str
    service_id: str
    interval_s: float
    _next_s: float = float("-inf")

    def due(self, now_s: float) -> bool:
        """Tell whether to beat now, and if so schedule the next."""
        if now_s < self._next_s:
            return False
        self._next_s = now_s + self.interval_s
        return True

    def soon(self) -> None:
        """Make the next look due, as after a change that others wait for."""
        self._next_s = float("-inf")

    def encode(self, status_json: str) -> bytes:
        """Return the x5f2 message of this beat."""
        return encode_x5f2(
            ServiceStatus(
                software_name=self.software_name,
                software_version=__version__,
                service_id=self.service_id,
                host_name=socket.gethostname(),
                process_id=os.getpid(),
                update_interval_ms=round(self.interval_s * 1000),
                status_json=status_json,
            )
        )
