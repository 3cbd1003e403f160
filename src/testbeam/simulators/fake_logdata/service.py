"""Fake logs: once a pulse (by default each second) a value of every PV, from 0 to 90 and back."""

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from testbeam.instruments.loader import Instrument
from testbeam.instruments.topics import InstrumentTopics
from testbeam.model.samples import LogValue
from testbeam.runtime.settings import option
from testbeam.simulators.pulsed import Message, PulsedSettings, instrument_of, send_pulses
from testbeam.wire.flatbuffers.schemas.log_value_f144 import encode_f144

PROG = "fake-logdata"
_STEPS = 100  # from 0 up to 90 and down again


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(PulsedSettings):
    """Options of fake logs."""

    rate: float = option(default=1.0, help="values per second")


def serve(settings: Settings, stop: threading.Event) -> None:
    """Send values of an instrument's PVs that go up and down, until told to stop."""
    instrument = instrument_of(settings)
    topic = InstrumentTopics(prefix=instrument.prefix).motion
    send_pulses(settings, [topic], lambda pulse, at_ns: values(instrument, topic, pulse, at_ns), logging.getLogger(PROG), stop)


def values(instrument: Instrument, topic: str, pulse: int, at_ns: int) -> Iterator[Message]:
    """Yield a value of each PV."""
    step = pulse % _STEPS
    value = 90.0 * min(step, _STEPS - step) / (_STEPS // 2)
    for log in instrument.logs:
        payload = encode_f144(LogValue(source_name=log.source, value=np.float64(value), timestamp_ns=at_ns))
        yield Message(topic=topic, source=log.source, payload=payload)
