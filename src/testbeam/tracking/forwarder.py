"""A forwarder, followed by its status messages (x5f2). Pure: messages and times (s since 1970) come in.

Source: docs/reference/contracts/control.md, "Forwarder configuration".
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from testbeam.model.status import ServiceStatus

LEEWAY_S = 5.0


@dataclass(slots=True)
class ForwarderTracker:
    """What a forwarder last said: the PVs it forwards and its whole status; silent for interval + 5 s it is disconnected."""

    details: Mapping[str, Any] = field(default_factory=dict)
    streams: Sequence[Mapping[str, Any]] = ()
    service_id: str = ""
    expected_s: float = float("-inf")

    @property
    def channels(self) -> frozenset[str]:
        """Return the PVs that are forwarded."""
        return frozenset(str(one.get("channel_name", "")) for one in self.streams)

    def take(self, status: ServiceStatus, now_s: float) -> bool:
        """Take in a status; False where it is no forwarder's."""
        try:
            said = json.loads(status.status_json)
        except ValueError:
            return False
        streams = said.get("streams") if isinstance(said, dict) else None
        if not isinstance(streams, list) or not all(isinstance(one, dict) for one in streams):
            return False
        self.details, self.streams, self.service_id = said, streams, status.service_id
        self.expected_s = now_s + status.update_interval_ms / 1000 + LEEWAY_S
        return True

    def is_connected(self, now_s: float) -> bool:
        """Tell whether the forwarder speaks."""
        return now_s <= self.expected_s
