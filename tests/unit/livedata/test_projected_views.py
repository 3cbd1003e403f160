"""Views that show where pixels are: images with lengths along their axes, regions in lengths, refusals by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from testbeam.instruments.loader import load
from tests.unit.livedata.bench import NUMBER, TOPICS, Bench, data_of, events, regions, signal, start

MS = 1_000_000
VIEW = "seen"
SCREEN = {"screen": "xy_plane", "resolution": {"y": 2, "x": 4}}
INSTRUMENT: dict[str, Any] = {
    "name": "mine",
    "prefix": TOPICS.prefix,
    "detectors": [
        {  # two layers: the one behind is seen at half its place
            "name": "bank",
            "first_id": 1,
            "dims": {"layer": 2, "y": 2, "x": 3},
            "lattice": {"origin": [0, 0, 2], "steps": {"layer": [0, 0, 2], "y": [0, 0.1, 0], "x": [0.2, 0, 0]}},
        },
        {"name": "nowhere", "first_id": 101, "dims": {"pixel": 4}},
    ],
    "views": [{"name": VIEW, "projections": {"bank": SCREEN, "nowhere": SCREEN}}],
}
IN_MM = {"unit": "mm"}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "mine.json").write_text(json.dumps(INSTRUMENT))
    return Bench(instrument=load(tmp_path / "mine.json"))


def begin(bench: Bench, source: str = "bank", **params: Any) -> None:
    bench.command(start(VIEW, source, params=params, identifier={"instrument": "mine", "name": VIEW, "version": 1}))


def count(bench: Bench, *pixels: int) -> None:
    bench.data(TOPICS.detector, events("bank", bench.now_ns, [MS] * len(pixels), pixels))
    bench.wait(1)


def test_an_image_has_lengths_along_its_axes(bench: Bench) -> None:
    begin(bench)
    count(bench, 1, 2, 2, 3, 9, 12)  # 9 is the last of the row behind: x = 0.4 m is seen at 0.2 m, as pixel 2
    image = bench.results("cumulative", "bank")[-1]

    assert signal(image).tolist() == [[1, 0, 3, 1], [0, 0, 1, 0]]
    assert data_of(image, "x") == pytest.approx([0.05, 0.15, 0.25, 0.35])
    assert data_of(image, "y") == pytest.approx([0.025, 0.075])
    units = {one.name: (one.axes, one.unit) for one in image.variables if one.name in ("x", "y")}
    assert units == {"y": (("y",), "m"), "x": (("x",), "m")}


def test_an_image_per_pixel_has_no_number_where_no_pixel_is(bench: Bench) -> None:
    begin(bench, pixel_weighting={"enabled": True})
    count(bench, 1, 2, 3, 3)
    image = signal(bench.results("cumulative", "bank")[-1])

    # (0, 0): pixel 1 and the one behind it; (0, 1): the second behind, at 0.1 m; (0, 2): pixel 2 and the third behind.
    assert image.tolist()[0] == [0.5, 0.0, 0.5, 2.0]


def test_pixels_that_an_instrument_has_not_are_told(bench: Bench) -> None:
    begin(bench)
    count(bench, 1, 0, 13)
    (status,) = bench.worker.statuses()

    assert status.more["dropped"] == {"no such pixel": 2}


@pytest.mark.parametrize(
    ("kind", "index", "shape"),
    [("roi_rectangle", 0, ((240, 360), (0, 50))), ("roi_polygon", 4, ((240, 360, 360, 240), (0, 0, 50, 50)))],
)
def test_a_region_in_lengths_holds_the_cells_whose_middle_is_inside(bench: Bench, kind: str, index: int, shape: Any) -> None:
    begin(bench)
    bench.worker.take_regions([regions(f"bank/{NUMBER}", kind, {index: shape}, **IN_MM)])
    count(bench, 1, 2, 3, 9, 12)

    spectra = bench.results("roi_spectra_cumulative", "bank")[-1]
    assert (signal(spectra).sum(), data_of(spectra, "roi").tolist()) == (3, [index])
    readback = bench.results(kind, "bank")[-1]
    assert data_of(readback, "x") == pytest.approx([value / 1000 for value in shape[0]])
    assert {one.unit for one in readback.variables if one.name in ("x", "y")} == {"m"}


def test_a_region_in_indices_is_one_of_cells_here_too(bench: Bench) -> None:
    begin(bench)
    bench.worker.take_regions([regions(f"bank/{NUMBER}", "roi_rectangle", {0: ((2, 4), (0, 1))})])
    count(bench, 1, 2, 3)

    assert signal(bench.results("roi_spectra_cumulative", "bank")[-1]).sum() == 2


def test_a_region_in_another_unit_is_refused_with_those_that_are_known(bench: Bench) -> None:
    begin(bench)
    bench.worker.take_regions([regions(f"bank/{NUMBER}", "roi_rectangle", {0: ((0, 2), (0, 2))}, unit="angstrom")])

    assert "knows m, cm, mm" in bench.job("bank").warning


def test_a_detector_of_which_nothing_says_where_it_is_refuses_the_start(bench: Bench) -> None:
    begin(bench, "nowhere")
    bench.wait(1)

    (reason,) = bench.reasons()
    assert "NXdetector nowhere, as --geometry" in reason


def test_the_dummy_s_projection_sums_what_lies_together() -> None:
    bench = Bench()
    bench.command(start("panel_0_projection", "panel_0"))
    bench.data(TOPICS.detector, events("panel_0", bench.now_ns, [MS] * 16384, range(1, 16385)))
    bench.wait(1)
    image = signal(bench.results("cumulative", "panel_0")[-1])

    assert (image.shape, image.sum()) == ((64, 64), 16384)
