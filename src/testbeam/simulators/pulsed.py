"""Pulsed sender: what fake monitors, detectors and logs have in common: options, a broker with the topics, messages pulse by pulse."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import SettingsError
from testbeam.instruments.loader import Instrument, load
from testbeam.model.agreed import PULSES_BEGIN
from testbeam.model.time import NS_PER_MS, NS_PER_S
from testbeam.runtime import clock
from testbeam.runtime.settings import ProgramSettings, option
from testbeam.simulators.event_source.outlet import Outlet
from testbeam.simulators.event_source.pulses import Pulses, exact_rate
from testbeam.simulators.event_source.service import wait_for_topics
from testbeam.transport.kafka.client import Kafka
from testbeam.transport.listening import wait_for_broker

_LOOK_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class PulsedSettings(ProgramSettings):
    """Options of every fake. Numbers of events and pulses are exact; the same seed and start time give the same messages."""

    bootstrap: str = option(help="Kafka, as HOST:PORT[,HOST:PORT…]")
    instrument: str = option(default="dummy", help="name of an instrument that is shipped, or the path of its .json file")
    prefix: str = option(default="", help="what topics begin with (default: as the instrument's file says)")
    rate: float = option(default=14.0, help="pulses per second")
    seed: int = option(default=0, help="the same seed gives the same events")
    pulses: int = option(default=0, help="end after so many pulses; 0 goes on until told to stop")
    start_time: int = option(default=0, help="time of the first pulse in ms since 1970; 0 is now")
    as_fast_as_possible: bool = option(default=False, help="don't keep to the rate by the clock; the pulses' times still do")
    stay: bool = option(default=False, help="after the last pulse stay up until told to stop")
    topic_timeout: float = option(default=30.0, help="seconds to wait for the broker and its topics")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a pulse, and how many events it has."""

    topic: str
    source: str
    payload: bytes
    events: int = 0


Make = Callable[[int, int], Iterable[Message]]  # from number and time of a pulse


def send_pulses(settings: PulsedSettings, topics: list[str], make: Make, log: logging.Logger, stop: threading.Event) -> None:
    """Send what `make` gives for each pulse until the last one or the stop."""
    check(settings)
    kafka = Kafka(bootstrap=settings.bootstrap)
    wait_for_broker(kafka, stop, log, within_s=settings.topic_timeout)
    wait_for_topics(kafka, topics, settings.topic_timeout, stop)
    outlet = Outlet(kafka.producer(queue_buffering_max_kbytes=131072, enable_idempotence=False, linger_ms=2), stop, log)
    log.info(PULSES_BEGIN)
    try:
        _Loop(settings, make, outlet, log).run(stop)
    finally:
        outlet.close()


def check(settings: PulsedSettings) -> None:
    """Check what only numbers can be wrong about.

    Raises:
        SettingsError: one can't be used.
    """
    exact_rate(settings.rate)
    for name in ("pulses", "start_time", "seed"):
        if getattr(settings, name) < 0:
            raise SettingsError(f"--{name.replace('_', '-')}", getattr(settings, name), "a number that is not negative")


def instrument_of(settings: PulsedSettings) -> Instrument:
    """Return the instrument that a fake is for."""
    return load(settings.instrument, prefix=settings.prefix)


def random_words(seed: int, stream: int, pulse: int, n: int) -> NDArray[np.uint64]:
    """Return n random words that belong to a pulse of a stream, whatever came before."""
    return np.asarray(np.random.Philox(key=[seed, stream], counter=[0, 0, pulse, 0]).random_raw(n), np.uint64)


def arrival_times(words: NDArray[np.uint64], mean_ms: float, width_ms: float) -> NDArray[np.int32]:
    """Return times of flight in ns about a mean, all within 0 to 71 ms: the sum of two dice, in integers."""
    low = (words & np.uint64(0xFFFF)).astype(np.int64)
    high = (words >> np.uint64(16) & np.uint64(0xFFFF)).astype(np.int64)
    spread_ns = round(width_ms * NS_PER_MS)
    times = round(mean_ms * NS_PER_MS) + (((low + high) * spread_ns) >> 16) - spread_ns
    clipped: NDArray[np.int32] = np.clip(times, 0, 71 * NS_PER_MS).astype(np.int32)
    return clipped


@dataclass(slots=True)
class _Loop:
    """The pulses of one fake."""

    settings: PulsedSettings
    make: Make
    outlet: Outlet
    log: logging.Logger

    def run(self, stop: threading.Event) -> None:
        first_ns, first_s = clock.wall_ns(), time.monotonic()
        start_ns = self.settings.start_time * NS_PER_MS
        pulses = Pulses.from_start(self.settings.rate, start_ns) if start_ns else Pulses.on_grid(self.settings.rate, first_ns)
        first_s += 0.0 if start_ns else (pulses.first_ns - first_ns) / NS_PER_S
        sent: dict[str, int] = {}
        numbers: Any = range(self.settings.pulses) if self.settings.pulses else count()
        for pulse in numbers:
            if not self._wait(first_s + pulses.offset_s(pulse), stop):
                break
            at_ns = pulses.time_ns(pulse)
            for one in self.make(pulse, at_ns):
                self.outlet.send(one.topic, one.payload, key=one.source, timestamp_ms=at_ns // NS_PER_MS)
                sent[one.source] = sent.get(one.source, 0) + one.events
        self.outlet.flush()
        self.log.info("events sent: %s", sent)
        while self.settings.stay and not stop.wait(_LOOK_S):
            self.outlet.look()

    def _wait(self, due_s: float, stop: threading.Event) -> bool:
        """Wait for a pulse's time, looking at acknowledgements meanwhile; say whether to go on."""
        while True:
            self.outlet.look()
            rest_s = 0.0 if self.settings.as_fast_as_possible else due_s - time.monotonic()
            if rest_s <= 0:
                return not stop.is_set()
            if stop.wait(min(rest_s, _LOOK_S)):
                return False
