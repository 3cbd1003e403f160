"""Messages of the source and their times: a pulse when its time has come, and a heartbeat."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count

from testbeam.instruments.loader import load
from testbeam.model.samples import Events
from testbeam.model.time import NS_PER_MS, NS_PER_S
from testbeam.runtime import clock
from testbeam.runtime.heartbeat import Heartbeat
from testbeam.runtime.status_publisher import StatusPublisher
from testbeam.simulators.event_source.core import Beam
from testbeam.simulators.event_source.geometry import Geometry
from testbeam.simulators.event_source.outlet import Outlet
from testbeam.simulators.event_source.pulses import Pulses
from testbeam.simulators.event_source.settings import EventSourceSettings
from testbeam.wire.flatbuffers.schemas.events_ev44 import encode_ev44

log = logging.getLogger("event-source")


class EventSource:
    """Sends the pulses of one source."""

    def __init__(self, settings: EventSourceSettings, outlet: Outlet, status: StatusPublisher | None = None) -> None:
        self.settings = settings
        instrument = load(settings.instrument)
        self.beam = Beam(Geometry.of(instrument), settings.seed)
        self.detector_source = settings.detector_source or instrument.detectors[0].sources[0]
        self.monitor_source = settings.monitor_source or instrument.monitors[0].source
        self.outlet = outlet
        self.status = status
        self.events = 0
        self.pulses_sent = 0
        self.heartbeat = Heartbeat("event-source", settings.service_id, settings.status_interval)
        if settings.start_time:
            self.pulses = Pulses.from_start(settings.rate, settings.start_time * NS_PER_MS)
            self.first_due_s = time.monotonic()
        else:
            now_ns, self.first_due_s = time.time_ns(), time.monotonic()
            self.pulses = Pulses.on_grid(settings.rate, now_ns)
            self.first_due_s += (self.pulses.first_ns - now_ns) / NS_PER_S

    def run(self, stop: threading.Event) -> None:
        """Send pulses until the last one or the stop; with `stay`, wait for the stop in any case."""
        log.info("first pulse at %d ns, %s pulses/s, seed %d", self.pulses.first_ns, self.pulses.rate, self.settings.seed)
        for pulse in self._numbers():
            if not self._wait(self.first_due_s + self.pulses.offset_s(pulse), stop):
                break
            self._send(pulse)
            self.pulses_sent, self.events = self.pulses_sent + 1, self.events + self._events_of_pulse()
        if self.settings.stay:
            self.outlet.flush()
            self.heartbeat.soon()
            while self._wait(time.monotonic() + self.settings.status_interval, stop, finished=True):
                pass
        log.info("%d pulses, %d events sent", self.pulses_sent, self.events)

    def _numbers(self) -> Iterator[int]:
        return iter(range(self.settings.pulses)) if self.settings.pulses else count()

    def _events_of_pulse(self) -> int:
        return self.settings.events_per_pulse + (self.settings.monitor_events_per_pulse if self.settings.monitor_topic else 0)

    def _wait(self, due_s: float, stop: threading.Event, *, finished: bool = False) -> bool:
        """Send heartbeats and serve Kafka until `due_s`; say whether to go on."""
        while True:
            now_s = time.monotonic()
            self._beat(now_s, finished=finished)
            self.outlet.look()
            if self.status is not None:
                self.status.serve()
            rest_s = due_s - now_s
            if rest_s <= 0 or (self.settings.as_fast_as_possible and not finished):
                return not stop.is_set()
            if stop.wait(min(rest_s, self._look_again_s())):
                return False

    def _look_again_s(self) -> float:
        """Return how long acknowledgements and heartbeats may wait for a look."""
        return 0.1 if self.outlet.delivered else 0.005

    def _send(self, pulse: int) -> None:
        s, time_ns = self.settings, self.pulses.time_ns(pulse) + clock.shift_ns()
        self._produce(s.detector_topic, self.beam.panel_events, self.detector_source, pulse, time_ns, s.events_per_pulse)
        if s.monitor_topic:
            self._produce(s.monitor_topic, self.beam.monitor_events, self.monitor_source, pulse, time_ns, s.monitor_events_per_pulse)

    def _produce(self, topic: str, make: Callable[[str, int, int, int], Events], name: str, pulse: int, time_ns: int, n: int) -> None:
        self.outlet.send(topic, encode_ev44(make(name, pulse, time_ns, n)), key=name, timestamp_ms=time_ns // NS_PER_MS)

    def _beat(self, now_s: float, *, finished: bool) -> None:
        if self.status is None or not self.heartbeat.due(now_s):
            return
        said = {
            "state": "finished" if finished else "running",
            "pulses": self.pulses_sent,
            "events": self.events,
            "delivered": self.outlet.delivered,
            "dropped": dict(self.outlet.drops.counts),
            "first_pulse_ns": self.pulses.first_ns,
            "seed": self.settings.seed,
        }
        self.status.send(self.settings.status_topic, self.heartbeat.encode(json.dumps(said)))
