"""What the shipped instruments consist of, as the facility's public definitions say."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from testbeam.errors import SettingsError
from testbeam.instruments import loader
from testbeam.instruments.loader import Detector, load, shipped
from testbeam.instruments.pixels import pixel_table, pixels_of_cells


def test_the_shipped_instruments() -> None:
    assert set(shipped()) == {"bifrost", "demo", "dream", "dummy", "loki"}


@pytest.mark.parametrize("name", shipped())
def test_a_view_holds_every_pixel_that_it_selects_once(name: str) -> None:
    instrument = load(name)
    for view in (view for view in instrument.views if not view.projections):
        for detector in map(instrument.detector, view.detectors):
            table = pixel_table(detector, view)
            sizes = [detector.dims[dim] for dim in view.select]

            assert table.cell.dtype == np.int32
            assert len(table.cell) == detector.pixels == detector.last_id - detector.first_id + 1
            assert (table.cell >= 0).sum() == detector.pixels // int(np.prod(sizes))
            assert len(set(pixels_of_cells(table).ravel().tolist())) == 1


def test_bifrost() -> None:
    bifrost = load("bifrost")
    (detector,) = bifrost.detectors
    table = pixel_table(detector, bifrost.views[0])

    assert (detector.first_id, detector.last_id) == (1, 13_500)
    assert dict(detector.dims) == {"arc": 5, "tube": 3, "channel": 9, "pixel": 100}
    assert (table.axes, table.shape) == (("arc/tube", "channel/pixel"), (15, 900))
    assert {place.source for place in detector.production} == {f"arc={arc};triplet={triplet}" for arc in range(5) for triplet in range(9)}
    assert {place.topic for place in detector.production} == {"bifrost_detector"}
    assert len(detector.sources) == 45
    assert detector.sources[0] == "125_channel_1_1_triplet"
    # The three tubes of one triplet lie 900 ids apart: arc 2, channel 4, first pixel.
    assert [int(table.cell[id_ - 1]) for id_ in (2 * 2700 + 4 * 100 + 1, 2 * 2700 + 900 + 401, 2 * 2700 + 1800 + 401)] == [
        row * 900 + 400 for row in (6, 7, 8)
    ]


def test_loki() -> None:
    loki = load("loki")

    assert [detector.dims["tube"] for detector in loki.detectors] == [56, 16, 12, 16, 12, 28, 32, 20, 32]
    assert [detector.last_id for detector in loki.detectors] == [
        802_816, 1_032_192, 1_204_224, 1_433_600, 1_605_632, 2_007_040, 2_465_792, 2_752_512, 3_211_264,
    ]  # fmt: skip
    assert all((d.dims["layer"], d.dims["straw"], d.dims["pixel"]) == (4, 7, 512) for d in loki.detectors)
    assert [d.production[0].topic for d in loki.detectors] == [f"loki_detector_bank{bank}" for bank in range(9)]
    assert {d.production[0].source for d in loki.detectors} == {"caen"}
    assert [monitor.name for monitor in loki.monitors] == [f"beam_monitor_m{n}" for n in range(5)]
    assert pixel_table(loki.detectors[0], loki.views[0]).shape == (4, 56)


def test_dream() -> None:
    dream = load("dream")
    mantle, backward, forward = (dream.detector(f"{name}_detector") for name in ("mantle", "endcap_backward", "endcap_forward"))
    front, wire, strip, _ = dream.views

    assert list(mantle.dims.items()) == [("wire", 32), ("module", 5), ("segment", 6), ("strip", 256), ("counter", 2)]
    assert (mantle.first_id, mantle.last_id) == (229_377, 720_896)
    assert list(backward.dims.items()) == [("strip", 16), ("wire", 16), ("module", 11), ("segment", 28), ("counter", 2)]
    assert (backward.first_id, backward.last_id) == (71_681, 229_376)
    assert list(forward.dims.items()) == [("strip", 16), ("wire", 16), ("module", 5), ("segment", 28), ("counter", 2)]
    assert (forward.first_id, forward.last_id) == (1, 71_680)
    assert sorted(d.production[0].topic for d in dream.detectors) == [
        f"dream_detector_{bank}" for bank in ("bwec", "fwec", "hr", "mantle", "sans")
    ]
    assert pixel_table(mantle, front).shape == (60, 256)
    assert pixel_table(backward, wire).shape == (16, 11 * 28 * 2)
    assert pixel_table(forward, strip).shape == (16,)


def test_dummy_and_demo() -> None:
    dummy, demo = load("dummy"), load("demo")

    assert [(d.name, d.first_id, d.last_id) for d in dummy.detectors] == [("panel_0", 1, 16_384)]
    assert np.array_equal(pixel_table(dummy.detectors[0], dummy.views[0]).cell, np.arange(16_384))
    assert [m.source for m in dummy.monitors] == ["monitor1", "monitor2"]
    assert [log.name for log in dummy.logs] == ["motion1", "motion2"]
    assert dummy.area_detectors[0].shape == (256, 256)
    assert (demo.prefix, dummy.prefix, load("dummy", prefix="other").prefix) == ("tb", "dummy", "other")


MINE: dict[str, Any] = {
    "name": "mine",
    "detectors": [{"name": "bank", "first_id": 1, "dims": {"y": 2, "x": 3}}],
    "monitors": [{"name": "m"}],
    "views": [{"name": "image", "detectors": ["bank"], "axes": {"y": ["y"], "x": ["x"]}}],
}


def projected(**changes: Any) -> dict[str, Any]:
    return {"name": "v", "projections": {"bank": {"screen": "xy_plane", "resolution": {"x": 3, "y": 2}} | changes}}


def with_spectrum(**changes: Any) -> dict[str, Any]:
    spectrum = {"axes": {"number": ["x"]}, "grouped": "x", "parameter": "pixels", "groups": 3}
    return {**MINE["views"][0], "name": "v", "spectrum": spectrum | changes}


def bank(**lattice: Any) -> dict[str, Any]:
    return {**MINE["detectors"][0], "lattice": {"origin": [0, 0, 1]} | lattice}


def written(path: Path, **changes: Any) -> Path:
    path.write_text(json.dumps(MINE | changes))
    return path


def test_an_instrument_of_ones_own(tmp_path: Path) -> None:
    mine = load(written(tmp_path / "mine.json"))

    assert (mine.name, mine.prefix, mine.detectors[0].sources, mine.monitors[0].source) == ("mine", "mine", ("bank",), "m")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"detectors": [{"name": "bank", "dims": {"y": 2}}]}, "key 'first_id' is missing"),
        ({"detectors": [MINE["detectors"][0], {"name": "b", "first_id": 6, "dims": {"x": 1}}]}, "pixel ids 6…6 overlap"),
        ({"monitors": [{"name": "bank"}]}, "source bank is there twice"),
        ({"views": [{"name": "v", "detectors": ["bank"], "axes": {"y": ["z"]}}]}, "view v: dimensions"),
        ({"views": [{"name": "v", "detectors": ["bank"], "axes": {"y": ["y"]}, "select": {"x": 3}}]}, "selects beyond"),
        ({"views": [{"name": "v", "detectors": ["other"], "axes": {"y": ["y"]}}]}, "a detector, in view v: bank"),
        ({"detectors": 3}, "int"),
        ({"views": [projected(screen="sphere")]}, "screen 'sphere' is none of xy_plane"),
        ({"views": [projected(resolution={"x": 3})]}, "the resolution of xy_plane is 1 to 4096 bins of x and y"),
        ({"views": [projected(resolution={"x": 3, "y": 0})]}, "1 to 4096 bins"),
        ({"views": [projected(turned=True)]}, "turned"),
        ({"views": [with_spectrum(axes={"a": ["z"]})]}, "spectrum of view v: dimensions"),
        ({"views": [with_spectrum(grouped="y")]}, "spectrum of view v: dimensions"),
        ({"views": [with_spectrum(groups=2)]}, "2 groups do not divide 3 of x"),
        ({"views": [with_spectrum(more=1)]}, "more"),
        ({"detectors": [bank(steps={"z": [0, 0, 1]})]}, "lattice of bank: steps"),
        ({"detectors": [bank(steps={"x": [0, 1]})]}, "unpack"),
        ({"detectors": [bank(steps={}, coordinates="polar")]}, "coordinates 'polar' are none of cartesian, cylindrical"),
    ],
)
def test_a_wrong_file_is_told_with_its_place(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        load(written(tmp_path / "mine.json", **changes))


def test_a_file_that_is_no_json_or_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('{"name": ')

    with pytest.raises(SettingsError, match="line 1"):
        load(tmp_path / "mine.json")
    with pytest.raises(SettingsError, match=r"missing\.json"):
        load(tmp_path / "missing.json")
    with pytest.raises(SettingsError, match="dummy"):
        load("dumy")


def test_names_of_detectors_that_are_not_there_are_told() -> None:
    with pytest.raises(SettingsError, match="panel_0"):
        load("dummy").detector("panel")
    assert isinstance(loader.load("dummy").detector("panel_0"), Detector)
