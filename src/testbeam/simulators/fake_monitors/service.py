"""Fake monitors: each pulse one message a monitor, fewer events with each one down the beam."""

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import SettingsError
from testbeam.instruments.loader import Instrument
from testbeam.instruments.topics import InstrumentTopics
from testbeam.model.arrays import LabelledArray, Variable
from testbeam.model.samples import Events
from testbeam.runtime.settings import option
from testbeam.simulators.pulsed import Message, PulsedSettings, arrival_times, instrument_of, random_words, send_pulses
from testbeam.wire.flatbuffers.schemas.events_ev44 import encode_ev44
from testbeam.wire.flatbuffers.schemas.labelled_array_da00 import encode_da00

PROG = "fake-monitors"
_EDGES_NS = np.arange(0, 71_400_001, 71_400, dtype=np.float64)
_LEFT = 0.7  # share of events that the next monitor sees


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(PulsedSettings):
    """Options of fake monitors."""

    mode: str = option(default="ev44", help="events (ev44) or histograms (da00)", choices=("ev44", "da00"))
    num_monitors: int = option(default=0, help="how many of the instrument's monitors; 0 is all")
    events_per_pulse: int = option(default=1000, help="events of the first monitor in each pulse")


def serve(settings: Settings, stop: threading.Event) -> None:
    """Send seeded events or histograms of an instrument's beam monitors, pulse by pulse, until told to stop."""
    if settings.events_per_pulse < 0 or settings.num_monitors < 0:
        raise SettingsError("--events-per-pulse", settings.events_per_pulse, "a number that is not negative, as of --num-monitors")
    instrument = instrument_of(settings)
    topic = InstrumentTopics(prefix=instrument.prefix).beam_monitor
    monitors = Monitors(instrument, settings)
    send_pulses(settings, [topic], lambda pulse, at_ns: monitors.messages(topic, pulse, at_ns), logging.getLogger(PROG), stop)


class Monitors:
    """The monitors of an instrument."""

    def __init__(self, instrument: Instrument, settings: Settings) -> None:
        self._settings = settings
        chosen = instrument.monitors[: settings.num_monitors] if settings.num_monitors else instrument.monitors
        self._sources = [monitor.source for monitor in chosen]

    def messages(self, topic: str, pulse: int, at_ns: int) -> Iterator[Message]:
        """Yield the messages of a pulse."""
        for number, source in enumerate(self._sources):
            count = round(self._settings.events_per_pulse * _LEFT**number)
            words = random_words(self._settings.seed, number, pulse, count)
            times = arrival_times(words, mean_ms=20 + 30 * number / max(len(self._sources) - 1, 1), width_ms=15)
            make = _events if self._settings.mode == "ev44" else _histogram
            yield Message(topic=topic, source=source, payload=make(source, pulse, at_ns, times), events=count)


def _events(source: str, pulse: int, at_ns: int, times: NDArray[np.int32]) -> bytes:
    return encode_ev44(
        Events(
            source_name=source,
            message_id=pulse,
            reference_time_ns=np.array([at_ns], np.int64),
            reference_time_index=np.zeros(1, np.int32),
            time_of_flight_ns=times,
            pixel_id=np.ones(len(times), np.int32),  # as others send: readers want one an event
        )
    )


def _histogram(source: str, pulse: int, at_ns: int, times: NDArray[np.int32]) -> bytes:
    counts, _ = np.histogram(times, _EDGES_NS)
    signal = Variable(name="signal", data=counts.astype(np.float64), axes=("frame_time",), unit="counts")
    edges = Variable(name="frame_time", data=_EDGES_NS, axes=("frame_time",), unit="ns")
    del pulse
    return encode_da00(LabelledArray(source_name=source, timestamp_ns=at_ns, variables=(signal, edges)))
