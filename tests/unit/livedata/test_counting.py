"""Counts against a plain count of the same events, by numpy alone and in one pass."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam.instruments.loader import load
from testbeam.instruments.pixels import PixelTable, pixel_table
from testbeam.services.livedata.counting import ONE_PASS, CubeCounter, ImageCounter, OnePass, TimeBins, TimeCounter
from testbeam.services.livedata.params import Axis, time_axis

HOW = [pytest.param(False, id="numpy"), pytest.param(True, id="one pass")]


def choose(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count by numpy alone, or in one pass where numba is installed."""
    monkeypatch.setattr(ONE_PASS, "counting", pytest.importorskip("numba") and OnePass().load() if fast else None)


def axis(**edges: Any) -> Axis:
    return time_axis({"toa_edges": edges} if edges else {}, None)[0]


def table(rows: int = 3, columns: int = 4, first_id: int = 10, left_out: int | None = None) -> PixelTable:
    cell = np.arange(rows * columns, dtype=np.int32)
    if left_out is not None:
        cell[left_out] = -1
    return PixelTable(first_id=first_id, cell=cell, axes=("y", "x"), shape=(rows, columns))


def plain_bins(edges_ns: Any, times: Any) -> Any:
    found = np.searchsorted(edges_ns, times, "right") - 1
    return np.where((found < 0) | (found >= len(edges_ns) - 1), len(edges_ns) - 1, found)


@given(
    start=st.floats(-1e3, 1e3),
    width=st.floats(1e-3, 1e3),
    bins=st.integers(1, 300),
    unit=st.sampled_from(["ns", "us", "ms"]),
    data=st.data(),
)
def test_every_time_is_in_its_bin_edges_included(start: float, width: float, bins: int, unit: str, data: st.DataObject) -> None:
    edges = axis(start=start, stop=start + width, num_bins=bins, unit=unit)
    near = np.concatenate([np.floor(edges.edges_ns), np.ceil(edges.edges_ns), np.ceil(edges.edges_ns) - 1])
    times = np.concatenate([np.clip(near, -(2**31), 2**31 - 1), data.draw(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=50))])
    times = times.astype(np.int32)

    assert np.array_equal(TimeBins(edges).index(times), plain_bins(edges.edges_ns, times))


def test_log_bins_are_found_too() -> None:
    edges = axis(start=1.0, stop=100.0, num_bins=20, scale="log", unit="ms")
    times = np.random.default_rng(0).integers(0, 120_000_000, 10_000).astype(np.int32)

    assert np.array_equal(TimeBins(edges).index(times), plain_bins(edges.edges_ns, times))


def test_what_is_outside_the_times_is_counted_apart() -> None:
    counter = TimeCounter(axis(start=0.0, stop=1.0, num_bins=4, unit="ms"))
    counter.add(np.array([-1, 0, 249_999, 250_000, 999_999, 1_000_000], np.int32))

    assert counter.spectrum.tolist() == [2, 1, 0, 1]
    assert counter.outside == 2


@pytest.mark.parametrize("fast", HOW)
def test_a_cube_holds_every_event_once(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(fast, monkeypatch)
    cube, rng = CubeCounter(table(left_out=5), axis()), np.random.default_rng(1)
    pixels, times = rng.integers(5, 30, 5_000).astype(np.int32), rng.integers(-1_000_000, 80_000_000, 5_000).astype(np.int32)
    cube.add(pixels, times)

    known = (pixels >= 10) & (pixels < 22)
    seen = known & (pixels != 15)
    bins = plain_bins(axis().edges_ns, times)
    inside = seen & (bins < 100)
    expected = np.zeros((12, 100), int)
    np.add.at(expected, (pixels[inside] - 10, bins[inside]), 1)
    assert np.array_equal(cube.counts, expected)
    assert cube.lost.unknown_pixel == (~known).sum()
    assert cube.lost.not_in_view == (known & ~seen).sum()
    assert cube.lost.outside_times == (seen & ~inside).sum()
    assert cube.counts.sum() + cube.lost.unknown_pixel + cube.lost.not_in_view + cube.lost.outside_times == 5_000


@pytest.mark.parametrize("fast", HOW)
def test_an_image_and_its_regions_agree_with_the_cube(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(fast, monkeypatch)
    rng = np.random.default_rng(2)
    cube, image = CubeCounter(table(left_out=0), axis()), ImageCounter(table(left_out=0), axis(), (10, 60))
    masks = {index: rng.random(12) < 0.5 for index in (0, 3, 7)}
    image.set_regions(masks)
    for _ in range(3):
        pixels, times = rng.integers(5, 30, 5_000).astype(np.int32), rng.integers(-1_000_000, 80_000_000, 5_000).astype(np.int32)
        cube.add(pixels, times)
        image.add(pixels, times)

    assert np.array_equal(image.image, cube.counts[:, 10:60].sum(axis=1))
    assert np.array_equal(image.spectrum, cube.counts.sum(axis=0))
    assert image.lost == cube.lost
    for index, mask in masks.items():
        assert np.array_equal(image.regions[index], cube.counts[mask].sum(axis=0))
    assert not image.regions[1].any()


@pytest.mark.parametrize("fast", HOW)
@pytest.mark.parametrize("name", ["bifrost", "loki", "dream", "dummy"])
def test_first_and_last_pixel_and_the_edge_of_every_bank_are_counted(name: str, fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(fast, monkeypatch)
    instrument = load(name)
    for view in (view for view in instrument.views if not view.select and not view.projections):
        for detector in map(instrument.detector, view.detectors):
            image = ImageCounter(pixel_table(detector, view), axis(), (0, 100))
            ids = np.array([detector.first_id - 1, detector.first_id, detector.last_id, detector.last_id + 1], np.int32)
            image.add(ids, np.full(4, 1_000, np.int32))

            assert (image.image.sum(), image.lost.unknown_pixel) == (2, 2)


def test_extreme_pixel_ids_are_unknown_not_wrapped() -> None:
    cube = CubeCounter(table(), axis())
    cube.add(np.array([-(2**31), 2**31 - 1, 0, -1], np.int32), np.full(4, 1_000, np.int32))

    assert (cube.counts.sum(), cube.lost.unknown_pixel) == (0, 4)


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("stray", [0, 1])
@pytest.mark.parametrize("turned", [False, True], ids=["as numbered", "turned"])
def test_compiled_loops_count_as_numpy_does_with_and_without_stray_events(
    scale: str, stray: int, turned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    edges = axis(start=1.0, stop=71.0, num_bins=50, scale=scale)
    plain = table(64, 64)
    pixels_of_view = replace(plain, cell=plain.cell[::-1].copy()) if turned else plain
    rng = np.random.default_rng(3)
    pixels = rng.integers(10, 10 + 64 * 64, 100_000).astype(np.int32)
    times = rng.integers(1_000_000, 71_000_000, 100_000).astype(np.int32)
    pixels[50_000 : 50_000 + stray], times[60_000 : 60_000 + stray] = 9, 71_000_000
    counted = []
    for fast in (False, True):
        choose(fast, monkeypatch)
        image, spectrum = ImageCounter(pixels_of_view, edges, (0, 50)), TimeCounter(edges)
        image.add(pixels, times)
        spectrum.add(times)
        counted.append([image.image.tolist(), image.spectrum.tolist(), image.lost, spectrum.spectrum.tolist(), spectrum.outside])
        image.clear()
        spectrum.clear()
        assert not image.image.any()
        assert not image.spectrum.any()
        assert not spectrum.spectrum.any()

    assert counted[0] == counted[1]
    assert sum(counted[0][0]) == 100_000 - 2 * stray
