"""Spectra of groups of pixels (`spectrum_view`): every event in the group of its pixel and the bin of its time."""

import json
from typing import Any

import numpy as np
import pytest

from testbeam.instruments.loader import load
from tests.unit.livedata.bench import TOPICS, Bench, data_of, events, signal, start

MS = 1_000_000
VIEW = {"instrument": "bifrost", "name": "unified_detector_view", "version": 1}


@pytest.fixture
def bench() -> Bench:
    return Bench(instrument=load("bifrost", prefix=TOPICS.prefix))


def begin(bench: Bench, **params: Any) -> None:
    bench.command(start(source="unified_detector", identifier=VIEW, params=params))


def count(bench: Bench, times: list[int], pixels: list[int]) -> None:
    bench.data(TOPICS.detector, events(bench.instrument.detectors[0].sources[0], bench.now_ns, times, pixels))
    bench.wait(1)


def pixel_id(arc: int, tube: int, channel: int, pixel: int) -> int:
    return ((arc * 3 + tube) * 9 + channel) * 100 + pixel + 1


def test_events_are_in_the_group_of_their_pixel(bench: Bench) -> None:
    begin(bench, toa_edges={"start": 0, "stop": 70, "num_bins": 7, "unit": "ms"})
    count(bench, [15 * MS, 15 * MS, 65 * MS, 80 * MS], [pixel_id(4, 2, 8, 99), pixel_id(4, 2, 8, 90), pixel_id(1, 1, 3, 47), 1])
    spectra = bench.results("spectrum_view", "unified_detector")[-1]
    counts = signal(spectra)

    assert counts.shape == (5, 3 * 9 * 10, 7)
    assert (counts[4, (2 * 9 + 8) * 10 + 9, 1], counts[1, (1 * 9 + 3) * 10 + 4, 6], counts.sum()) == (2, 1, 3)
    assert spectra.variables[0].axes == ("arc", "detector_number", "time_of_arrival")
    assert data_of(spectra, "time_of_arrival")[-1] == 70
    assert bench.job("unified_detector").dropped == {"outside the histogram's times": 1}


@pytest.mark.parametrize("groups", [1, 25, 100])
def test_there_are_as_many_groups_as_are_asked_for(bench: Bench, groups: int) -> None:
    begin(bench, spectrum_params={"pixels_per_tube": groups})
    count(bench, [MS, MS], [pixel_id(0, 0, 0, 99), pixel_id(0, 0, 1, 0)])
    counts = signal(bench.results("spectrum_view", "unified_detector")[-1]).sum(axis=2)

    assert counts.shape == (5, 27 * groups)
    assert np.flatnonzero(counts[0]).tolist() == [groups - 1, groups]


def test_a_reset_begins_them_anew(bench: Bench) -> None:
    begin(bench)
    count(bench, [MS] * 3, [1, 2, 3])
    (job,) = bench.worker.jobs
    reset = {"kind": "job_command", "message_id": "r", "job_id": {"source_name": "unified_detector", "job_number": job.job_id.job_number}}
    bench.command(json.dumps(reset | {"action": "reset"}).encode())
    count(bench, [MS], [1])

    assert [int(signal(one).sum()) for one in bench.results("spectrum_view", "unified_detector")] == [3, 1]


@pytest.mark.parametrize("groups", [0, 3, 101, True, "10", None, 2.5])
def test_groups_that_do_not_divide_a_tube_are_refused(bench: Bench, groups: Any) -> None:
    begin(bench, spectrum_params={"pixels_per_tube": groups})

    assert "spectrum_params.pixels_per_tube" in bench.reasons()[0]


def test_more_spectra_than_memory_is_meant_for_are_refused(bench: Bench) -> None:
    begin(bench, spectrum_params={"pixels_per_tube": 100}, toa_edges={"num_bins": 10_000})

    assert "fewer: 13500 spectra × 10000 bins" in bench.reasons()[0]
