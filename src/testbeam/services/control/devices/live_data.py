"""Channels of a detector that are fed from Kafka: counts that a live-data service tells as da00 or f144.

A result is taken once: the same source with the same time again is the same counts. Counts are those since the start of the counting, so
the service need not be told of it.
Source: docs/reference/contracts/control.md, "Live-data channels".
"""

import threading
from collections.abc import Mapping
from typing import Any, ClassVar

from testbeam.model.samples import LogValue
from testbeam.services.control.devices.detector import Channel
from testbeam.services.control.devices.kafka_devices import KafkaDevice
from testbeam.services.control.devices.params import Param
from testbeam.services.control.devices.status import State, Status


class LiveDataChannel(KafkaDevice, Channel):
    """One number of the live data, by its source name."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "topic": Param(description="topic of the results", type=str, mandatory=True),
        "source": Param(description="source name of the counts", type=str, mandatory=True),
        "fmtstr": Param(description="how the value is shown", type=str, default="%d", settable=True),
        "unit": Param(description="unit of the value", type=str, default="cts"),
    }
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.datasources.livedata.DataChannel",)
    valuetype: type = float

    def init(self) -> None:
        """Listen."""
        self._lock = threading.Lock()
        self._newest: tuple[int, float] | None = None
        self._zero, self._final, self._counting = 0.0, 0.0, False
        super().init()

    def topics(self) -> list[str]:
        """Return the topic of the results."""
        return [self.topic]

    def take(self, message: Any) -> None:
        """Take in a result of our source."""
        found = _number(message, self.source)
        if found is None:
            return
        with self._lock:
            if self._newest is None or found[0] > self._newest[0]:
                if self._newest is not None and found[1] < self._newest[1]:
                    self._zero -= self._newest[1]  # the service began anew from zero
                self._newest = found

    def do_start(self) -> None:
        """Take the counts of now for zero."""
        with self._lock:
            self._zero = self._newest[1] if self._newest is not None else 0.0
        self._counting = True

    def finish(self) -> None:
        """Keep what is counted."""
        self._final, self._counting = self._since_start(), False

    def do_read(self) -> float:
        """Return the counts since the start."""
        return self._since_start() if self._counting else self._final

    def do_status(self) -> Status:
        """Return whether counts come."""
        if self._newest is None:
            return State.WARN, f"nothing came from {self.source!r} on topic {self.topic!r} yet"
        return (State.BUSY, "counting") if self._counting else (State.OK, "idle")

    def _since_start(self) -> float:
        with self._lock:
            return (self._newest[1] if self._newest is not None else 0.0) - self._zero


def _number(message: Any, source: str) -> tuple[int, float] | None:
    """Return time (ns) and value of a message of this source, be it f144 or da00."""
    if getattr(message, "source_name", None) != source:
        return None
    if isinstance(message, LogValue):
        return (message.timestamp_ns, float(message.value)) if not getattr(message.value, "shape", ()) else None
    for variable in getattr(message, "variables", ()):
        if getattr(variable, "name", "") == "signal":
            data = variable.data
            return int(message.timestamp_ns), float(data.sum())
    return None
