"""Wavelengths beyond one frame: a neutron that arrives after the next pulse is told by the band that is asked for."""

from typing import Any

import numpy as np
import pytest

from testbeam.model.arrays import LabelledArray, Variable
from testbeam.services.livedata.counting import ONE_PASS, OnePass
from testbeam.wire.flatbuffers.registry import ENCODERS
from tests.unit.livedata.bench import T0, TOPICS, Bench, S, events, signal, start

NOW = T0 + 100 * S
PERIOD = round(S / 14)
WRAPPED = {  # at 23 m a frame of 14 Hz is 12.29 Å wide: 8 Å come after 46.5 ms, 16 Å after 93.0 ms, which is 21.6 ms after the next pulse
    "coordinate_mode": {"mode": "wavelength"},
    "wavelength_edges": {"start": 6.0, "stop": 18.0, "num_bins": 6},
    "frame_unwrapping": {"enabled": True},
}


def arrival_ns(angstrom: float, length_m: float) -> int:
    return round(angstrom * length_m / 3956.034 * 1e9) % PERIOD


@pytest.mark.parametrize("fast", [pytest.param(False, id="numpy"), pytest.param(True, id="one pass")])
def test_slow_neutrons_of_the_pulse_before_have_their_own_wavelength(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ONE_PASS, "counting", pytest.importorskip("numba") and OnePass().load() if fast else None)
    bench = Bench()
    bench.command(start(params=WRAPPED))
    bench.command(start("panel_0_xy", "panel_0", params=WRAPPED | {"wavelength_edges": {"start": 20.0, "stop": 28.0, "num_bins": 4}}))
    bench.monitor(NOW, [arrival_ns(8.5, 23.0), *[arrival_ns(16.5, 23.0)] * 3, arrival_ns(18.2, 23.0)])
    bench.data(TOPICS.detector, events("panel_0", NOW, [arrival_ns(21.0, 30.0), arrival_ns(27.0, 30.0)], [1, 2]))
    bench.wait(1)

    assert signal(bench.results("cumulative")[0]).tolist() == [0, 1, 0, 0, 0, 3]
    assert bench.job("monitor1").dropped == {"outside the histogram's times": 1}
    assert bench.counts(source="panel_0") == [2]


def histogram(counts: Any, edges_ns: Any) -> bytes:
    signal_ = Variable(name="signal", data=counts, axes=("time",), unit="counts")
    edges = Variable(name="time", data=edges_ns, axes=("time",), unit="ns")
    return ENCODERS["da00"](LabelledArray(source_name="monitor1", timestamp_ns=NOW, variables=(signal_, edges)))


def test_a_histogram_of_arrivals_is_unwrapped_too() -> None:
    bench = Bench()
    bench.command(start(params=WRAPPED))
    edges = np.linspace(0, PERIOD, PERIOD // 100_000 + 1)
    counts = np.zeros(len(edges) - 1)
    counts[np.searchsorted(edges, [arrival_ns(8.3, 23.0), arrival_ns(16.5, 23.0), arrival_ns(18.2, 23.0)]) - 1] = [5, 7, 11]
    bench.data(TOPICS.beam_monitor, histogram(counts, edges))
    bench.wait(1)

    (array,) = bench.results("cumulative")
    assert signal(array) == pytest.approx([0, 5, 0, 0, 0, 7])
    assert bench.job("monitor1").dropped == {"outside the histogram's times": 11}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"wavelength_edges": {"start": 6.0, "stop": 18.5}}, "at most 18.2858: one frame is 12.2858 wide"),
        ({"frame_unwrapping": {"enabled": True, "frequency": 0}}, "frame_unwrapping.frequency"),
        ({"frame_unwrapping": {"enabled": 1}}, "frame_unwrapping.enabled"),
    ],
)
def test_frames_that_can_not_be_unwrapped_are_refused(changes: Any, reason: str) -> None:
    bench = Bench()
    bench.command(start(params=WRAPPED | changes))

    assert reason in bench.reasons()[0]
