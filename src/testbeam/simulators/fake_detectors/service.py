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
    distinct_pulses: int = option(default=0, help="so many pulses' events come again and again, at little cost; 0 draws each anew")


def serve(settings: Settings, stop: threading.Event) -> None:
    """Send seeded events or images of an instrument's detectors, pulse by pulse, until told to stop."""
    for name in ("events_per_pulse", "distinct_pulses"):
        if getattr(settings, name) < 0:
            raise SettingsError(f"--{name.replace('_', '-')}", getattr(settings, name), "a number that is not negative")
    instrument = instrument_of(settings)
    detectors = Detectors(instrument, settings)
    send_pulses(settings, detectors.topics, detectors.messages, logging.getLogger(PROG), stop)


class Detectors:
    """The detectors of an instrument."""

    def __init__(self, instrument: Instrument, settings: Settings) -> None:
        topics = InstrumentTopics(prefix=instrument.prefix)
        self._instrument, self._settings = instrument, settings
        self._drawn: dict[tuple[int, int], tuple[NDArray[np.int32], NDArray[np.int32]]] = {}
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
            times, pixel = self._events(detector, stream + place, pulse, count)
            yield Message(topic=self._topic, source=source, payload=_encoded(source, pulse, at_ns, times, pixel), events=count)

    def _events(self, detector: Detector, stream: int, pulse: int, count: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        distinct = self._settings.distinct_pulses
        if not distinct:
            return self._draw(detector, stream, pulse, count)
        place = stream, pulse % distinct
        if place not in self._drawn:
            self._drawn[place] = self._draw(detector, *place, count)
        return self._drawn[place]

    def _draw(self, detector: Detector, stream: int, pulse: int, count: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        words = random_words(self._settings.seed, stream, pulse, count)
        # The upper 31 bits choose the pixel, the lower 32 the time.
        pixel = ((words >> np.uint64(33)).astype(np.int64) * detector.pixels >> 31) + detector.first_id
        return arrival_times(words, mean_ms=35, width_ms=30), pixel.astype(np.int32)

    def _image(self, number: int, camera: AreaDetector, pulse: int, at_ns: int) -> Message:
        words = random_words(self._settings.seed, _STREAM * (100 + number), pulse, int(np.prod(camera.shape)))
        pixels = (words >> np.uint64(60)).astype(np.uint16).reshape(camera.shape)
        image = AreaImage(source_name=camera.name, unique_id=pulse & 0x7FFF_FFFF, timestamp_ns=at_ns, data=pixels)
        return Message(topic=self._topic, source=camera.name, payload=encode_ad00(image), events=int(pixels.sum()))


def _encoded(source: str, pulse: int, at_ns: int, times: NDArray[np.int32], pixel: NDArray[np.int32]) -> bytes:
    return encode_ev44(
        Events(
            source_name=source,
            message_id=pulse,
            reference_time_ns=np.array([at_ns], np.int64),
            reference_time_index=np.zeros(1, np.int32),
            time_of_flight_ns=times,
            pixel_id=pixel,
        )
    )
