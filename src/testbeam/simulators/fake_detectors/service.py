"""Fake detectors: each pulse the events of every source of every detector, or an image of every camera."""

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import SettingsError
from testbeam.instruments.loader import AreaDetector, Detector, Instrument
from testbeam.instruments.topics import InstrumentTopics
from testbeam.model.arrays import AreaImage
from testbeam.model.samples import Events
from testbeam.runtime.settings import option
from testbeam.simulators.pulsed import Message, PulsedSettings, arrival_times, instrument_of, random_words, send_pulses
from testbeam.wire.flatbuffers.schemas.area_image_ad00 import encode_ad00
from testbeam.wire.flatbuffers.schemas.events_ev44 import encode_ev44

PROG = "fake-detectors"
_STREAM = 1_000  # of random numbers: apart from the monitors'


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(PulsedSettings):
    """Options of fake detectors."""

    mode: str = option(default="ev44", help="events of detectors (ev44) or images of cameras (ad00)", choices=("ev44", "ad00"))
    events_per_pulse: int = option(default=1000, help="events of each detector in each pulse, divided among its sources")


def serve(settings: Settings, stop: threading.Event) -> None:
    """Send seeded events or images of an instrument's detectors, pulse by pulse, until told to stop."""
    if settings.events_per_pulse < 0:
        raise SettingsError("--events-per-pulse", settings.events_per_pulse, "a number that is not negative")
    instrument = instrument_of(settings)
    detectors = Detectors(instrument, settings)
    send_pulses(settings, detectors.topics, detectors.messages, logging.getLogger(PROG), stop)


class Detectors:
    """The detectors of an instrument."""

    def __init__(self, instrument: Instrument, settings: Settings) -> None:
        topics = InstrumentTopics(prefix=instrument.prefix)
        self._instrument, self._settings = instrument, settings
        self._topic = topics.detector if settings.mode == "ev44" else topics.area_detector
        self.topics = [self._topic]

    def messages(self, pulse: int, at_ns: int) -> Iterator[Message]:
        """Yield the messages of a pulse."""
        if self._settings.mode == "ad00":
            yield from (self._image(number, camera, pulse, at_ns) for number, camera in enumerate(self._instrument.area_detectors))
            return
        for number, detector in enumerate(self._instrument.detectors):
            yield from self._of_detector(_STREAM * (1 + number), detector, pulse, at_ns)

    def _of_detector(self, stream: int, detector: Detector, pulse: int, at_ns: int) -> Iterator[Message]:
        sources = len(detector.sources)
        for place, source in enumerate(detector.sources):
            count = self._settings.events_per_pulse * (place + 1) // sources - self._settings.events_per_pulse * place // sources
            words = random_words(self._settings.seed, stream + place, pulse, count)
            # The upper 31 bits choose the pixel, the lower 32 the time.
            pixel = ((words >> np.uint64(33)).astype(np.int64) * detector.pixels >> 31) + detector.first_id
            times = arrival_times(words, mean_ms=35, width_ms=30)
            yield Message(topic=self._topic, source=source, payload=_events(source, pulse, at_ns, times, pixel), events=count)

    def _image(self, number: int, camera: AreaDetector, pulse: int, at_ns: int) -> Message:
        words = random_words(self._settings.seed, _STREAM * (100 + number), pulse, int(np.prod(camera.shape)))
        pixels = (words >> np.uint64(60)).astype(np.uint16).reshape(camera.shape)
        image = AreaImage(source_name=camera.name, unique_id=pulse & 0x7FFF_FFFF, timestamp_ns=at_ns, data=pixels)
        return Message(topic=self._topic, source=camera.name, payload=encode_ad00(image), events=int(pixels.sum()))


def _events(source: str, pulse: int, at_ns: int, times: NDArray[np.int32], pixel: NDArray[np.int64]) -> bytes:
    return encode_ev44(
        Events(
            source_name=source,
            message_id=pulse,
            reference_time_ns=np.array([at_ns], np.int64),
            reference_time_index=np.zeros(1, np.int32),
            time_of_flight_ns=times,
            pixel_id=pixel.astype(np.int32),
        )
    )
