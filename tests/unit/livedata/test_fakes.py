"""What the fakes send: exact numbers of events, of pixels that are there, the same again for the same seed."""

from typing import Any

import numpy as np
import pytest

from testbeam.instruments.loader import load
from testbeam.simulators.fake_detectors.service import Detectors, Settings
from testbeam.wire.flatbuffers.registry import decode

AT_NS = 1_700_000_000_000_000_000


def pulse(number: int, instrument: str = "loki", **options: Any) -> list[Any]:
    settings = Settings(bootstrap="", instrument=instrument, events_per_pulse=100, **options)
    return [decode(one.payload) for one in Detectors(load(instrument), settings).messages(number, AT_NS + number)]


@pytest.mark.parametrize("instrument", ["bifrost", "dream", "dummy", "loki"])
def test_every_detector_has_so_many_events_of_its_own_pixels(instrument: str) -> None:
    messages = pulse(3, instrument)

    for detector in load(instrument).detectors:
        ids = np.concatenate([one.pixel_id for one in messages if one.source_name in detector.sources])
        mine = ids[(ids >= detector.first_id) & (ids <= detector.last_id)]
        assert len(mine) == 100
    assert sum(len(one.pixel_id) for one in messages) == 100 * len(load(instrument).detectors)
    assert all(0 <= one.time_of_flight_ns.min() <= one.time_of_flight_ns.max() <= 71_000_000 for one in messages)


def test_the_same_seed_gives_the_same_events_and_each_pulse_others() -> None:
    first, again, next_pulse, other_seed = (pulse(3)[0], pulse(3)[0], pulse(4)[0], pulse(3, seed=1)[0])

    assert np.array_equal(first.pixel_id, again.pixel_id)
    assert np.array_equal(first.time_of_flight_ns, again.time_of_flight_ns)
    for other in (next_pulse, other_seed):
        assert not np.array_equal(first.pixel_id, other.pixel_id)


def test_distinct_pulses_come_again_with_times_and_numbers_of_their_own() -> None:
    detectors = Detectors(load("dummy"), Settings(bootstrap="", instrument="dummy", events_per_pulse=100, distinct_pulses=2))
    pulses = [decode(next(iter(detectors.messages(number, AT_NS + number))).payload) for number in range(5)]

    assert np.array_equal(pulses[0].pixel_id, pulses[4].pixel_id)
    assert not np.array_equal(pulses[0].pixel_id, pulses[1].pixel_id)
    assert [one.message_id for one in pulses] == list(range(5))
    assert [int(one.reference_time_ns[0]) for one in pulses] == [AT_NS + n for n in range(5)]
