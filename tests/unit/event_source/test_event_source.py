"""The event source's events: the same seed gives the same bytes, and they look like neutrons."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbeam.errors import SettingsError
from testbeam.instruments.loader import load
from testbeam.simulators.event_source import pulses, service, spectrum
from testbeam.simulators.event_source.core import Beam
from testbeam.simulators.event_source.geometry import Geometry
from testbeam.simulators.event_source.pulses import Pulses
from testbeam.simulators.event_source.settings import EventSourceSettings
from testbeam.wire.flatbuffers.schemas.events_ev44 import decode_ev44, encode_ev44

GEOMETRY = Geometry.of(load("demo"))
BEAM = Beam(GEOMETRY, 42)


def message(beam: Beam, pulse: int, n: int = 50) -> bytes:
    time_ns = Pulses.from_start(14, 1_700_000_000_000_000_000).time_ns(pulse)
    return encode_ev44(beam.panel_events("panel", pulse, time_ns, n)) + encode_ev44(beam.monitor_events("monitor", pulse, time_ns, n))


def test_the_same_seed_gives_the_same_bytes() -> None:
    again = Beam(GEOMETRY, 42)

    assert [message(again, pulse) for pulse in range(20)] == [message(BEAM, pulse) for pulse in range(20)]


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(10)))
def test_a_pulse_does_not_depend_on_which_were_made_before_it(order: list[int]) -> None:
    assert {pulse: message(BEAM, pulse) for pulse in order} == {pulse: message(BEAM, pulse) for pulse in range(10)}


def test_these_very_bytes_come_from_seed_42() -> None:
    events = BEAM.panel_events("panel", 7, 0, 3)

    assert events.time_of_flight_ns.tolist() == [30586628, 69684354, 21916763]
    assert events.pixel_id.tolist() == [4802, 4761, 2191]


def test_seeds_pulses_and_instruments_differ() -> None:
    other = Beam(GEOMETRY, 43)
    times = [beam.panel_events("panel", pulse, 0, 20).time_of_flight_ns.tobytes() for beam in (BEAM, other) for pulse in (0, 1)] + [
        BEAM.monitor_events("monitor", 0, 0, 20).time_of_flight_ns.tobytes()
    ]

    assert len(set(times)) == 5


def test_a_message_is_a_valid_ev44_that_counts_its_pulses() -> None:
    events = decode_ev44(encode_ev44(BEAM.panel_events("panel", 3, 99, 1_000)))

    assert (events.source_name, events.message_id) == ("panel", 3)
    assert (events.reference_time_ns.tolist(), events.reference_time_index.tolist()) == ([99], [0])
    assert len(events.time_of_flight_ns) == len(events.pixel_id) == 1_000


def test_a_monitor_is_one_pixel() -> None:
    assert BEAM.monitor_events("monitor", 0, 0, 10).pixel_id.tolist() == [1] * 10


def test_events_stay_on_the_panel_and_in_the_frame() -> None:
    events = BEAM.panel_events("panel", 0, 0, 200_000)

    assert 1 <= events.pixel_id.min() <= events.pixel_id.max() <= 16_384
    assert 0 <= events.time_of_flight_ns.min() <= events.time_of_flight_ns.max() < spectrum.FRAME_NS


def test_the_picture_has_a_beam_stop_in_the_middle_of_rings() -> None:
    image = np.bincount(BEAM.panel_events("panel", 0, 0, 1_000_000).pixel_id - 1, minlength=16_384).reshape(128, 128)
    radius = np.hypot(*np.meshgrid(np.arange(128) - 63.5, np.arange(128) - 63.5))
    upper = np.arange(128)[:, None] >= 64  # the beam stop's arm is below

    profile = np.array([image[(np.rint(radius) == r) & upper].mean() for r in range(1, 60)])

    assert profile[:3].max() < 0.05 * profile[6:12].max()
    rings = [r for r in range(18, 58) if profile[r] == profile[r - 3 : r + 4].max() and profile[r] > 1.05 * profile[r - 6 : r + 7].min()]
    assert len(rings) >= 3


def test_the_spectrum_has_the_choppers_line_and_the_edges_of_iron() -> None:
    path_m = GEOMETRY.source_to_sample_m + GEOMETRY.sample_to_panel_m
    wavelengths = spectrum.wavelength(BEAM.panel_events("panel", 0, 0, 500_000).time_of_flight_ns.astype(float), path_m)

    def density(low: float, high: float) -> float:
        return float(((wavelengths >= low) & (wavelengths < high)).sum()) / (high - low)

    assert density(spectrum.LINE_ANGSTROM - 0.05, spectrum.LINE_ANGSTROM + 0.05) > 3 * density(5.6, 5.7)
    assert density(4.06, 4.16) > 1.3 * density(3.94, 4.04)


def test_pulses_are_on_the_grid_and_never_drift() -> None:
    pulses = Pulses.on_grid(14, 1_700_000_000_123_456_789)

    assert 0 <= 1_700_000_000_123_456_789 - pulses.first_ns < 72_000_000
    assert pulses.time_ns(14 * 86_400 * 365) - pulses.first_ns == 86_400 * 365 * 1_000_000_000
    assert Pulses.on_grid(14, pulses.time_ns(1) + 1_000_000).first_ns - pulses.time_ns(1) in (-1, 0, 1)


@given(st.floats(0.01, 1_000_000), st.integers(0, 2**62))
def test_the_first_pulse_is_the_one_that_has_just_been(rate: float, now_ns: int) -> None:
    first_ns = Pulses.on_grid(rate, now_ns).first_ns

    assert first_ns <= now_ns <= first_ns + 1e9 / rate + 1


@pytest.mark.parametrize("rate", [0, -1, 2_000_000, float("nan")])
def test_a_rate_that_can_not_be_is_refused(rate: float) -> None:
    with pytest.raises(SettingsError, match="--rate"):
        pulses.exact_rate(rate)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_that_can_not_be_is_refused(seed: int) -> None:
    with pytest.raises(SettingsError, match="--seed"):
        service.check(EventSourceSettings(bootstrap="127.0.0.1:9092", seed=seed))
