"""Counters of neutron events: they read ev44 themselves, so that setups that count by just-bin-it count without it.

They count what arrives while they count, of one source or all, in a range of pixels; histograms are live data's.
Source: docs/reference/control-commands.md, "Just-bin-it".
"""

import threading
from collections.abc import Mapping
from typing import Any, ClassVar

from testbeam.model.samples import Events
from testbeam.services.control.devices.detector import Channel
from testbeam.services.control.devices.kafka_devices import KafkaDevice
from testbeam.services.control.devices.params import Param, limits, none_or
from testbeam.services.control.devices.status import State, Status


class EventCounter(KafkaDevice, Channel):
    """Counts events of a topic."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "data_topic": Param(description="topic of the events", type=str, mandatory=True),
        "source": Param(description="source name of the events, empty for all", type=str, default=""),
        "det_range": Param(description="first and last pixel id, both counted", type=none_or(limits), default=None),
        "hist_type": Param(description="kept for old setups; with 'DET' in it pixels count", type=str, default=""),
        "fmtstr": Param(description="how the value is shown", type=str, default="%d", settable=True),
        "unit": Param(description="unit of the value", type=str, default="evts"),
        "type": Param(description="what it counts", type=str, default="counter"),
    }
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.datasources.just_bin_it.JustBinItImage",)
    valuetype: type = int

    def init(self) -> None:
        """Stand at zero, and listen."""
        self._lock = threading.Lock()
        self._counted, self._counting = 0, False
        self._range = self.det_range if self.det_range and (not self.hist_type or "DET" in self.hist_type) else None
        super().init()

    def topics(self) -> list[str]:
        """Return the topic of the events."""
        return [self.data_topic]

    def take(self, message: Any) -> None:
        """Count a message's events."""
        if not self._counting or not isinstance(message, Events) or self.source not in ("", message.source_name):
            return
        pixels = message.pixel_id
        found = len(message.time_of_flight_ns)
        if self._range is not None:
            found = int(((pixels >= self._range[0]) & (pixels <= self._range[1])).sum())
        with self._lock:
            self._counted += found

    def do_start(self) -> None:
        """Count from zero."""
        with self._lock:
            self._counted = 0
        self._counting = True

    def finish(self) -> None:
        """Count no more."""
        self._counting = False

    def pause(self) -> bool:
        """Count no more for now."""
        self._counting = False
        return True

    def resume(self) -> None:
        """Count on."""
        self._counting = True

    def do_read(self) -> int:
        """Return how many events there were."""
        return self._counted

    def do_status(self) -> Status:
        """Return BUSY while it counts."""
        return (State.BUSY, "counting") if self._counting else (State.OK, "idle")
