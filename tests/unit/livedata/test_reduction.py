"""I(Q) of a flat panel: an event of known wavelength at a known angle is in the bin of its Q."""

import math

import numpy as np
import pytest

from tests.unit.livedata.bench import T0, TOPICS, Bench, S, data_of, events, signal, start

NOW = T0 + 100 * S
PITCH_M, DISTANCE_M, PATH_M = 0.008, 5.0, 30.0

pytest.importorskip("scippneutron")


def q_of(column: int, time_ns: int) -> float:
    """Return Q in 1/Å of an event in a column of row 64, beside the beam."""
    x, y = (column - 63.5) * PITCH_M, 0.5 * PITCH_M
    radius = math.hypot(x, y)
    angle = math.atan2(radius, DISTANCE_M)
    path = PATH_M - DISTANCE_M + math.hypot(radius, DISTANCE_M)
    wavelength = 3956.034 * time_ns * 1e-9 / path
    return 4 * math.pi * math.sin(angle / 2) / wavelength


def test_events_are_counted_by_their_momentum_transfer() -> None:
    bench = Bench()
    bench.command(start("i_of_q", "panel_0", params={"q_edges": {"start": 0.0, "stop": 0.3, "num_bins": 300, "unit": "1/angstrom"}}))
    column, time_ns = 100, 30_000_000
    bench.data(TOPICS.beam_monitor, events("monitor1", NOW, [1] * 8, [1] * 8), events("monitor1", NOW + 1, [1] * 2, [1] * 2))
    bench.data(TOPICS.detector, events("panel_0", NOW, [time_ns] * 5 + [1], [64 * 128 + column + 1] * 5 + [20_000]))
    bench.wait(1)

    (array,) = bench.results("i_of_q", "panel_0")
    (place,) = np.flatnonzero(signal(array))
    edges = data_of(array, "Q")
    assert edges[place] <= q_of(column, time_ns) < edges[place + 1]
    assert signal(array)[place] == pytest.approx(5 / 10)
    assert sum(bench.job("panel_0").dropped.values()) == 1


def test_a_detector_that_is_not_flat_has_no_such_workflow() -> None:
    from testbeam.instruments.loader import load

    bench = Bench(instrument=load("bifrost", prefix="dummy"))
    identifier = {"instrument": "bifrost", "name": "i_of_q", "version": 1}
    bench.command(start(source="unified_detector", identifier=identifier))
    bench.wait(1)

    assert bench.answers()[0][2] == "ERR"
