"""Geometric views: pixels are where the instrument's file or a NeXus file says, and are seen where a ray from the sample goes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from testbeam.errors import SettingsError
from testbeam.instruments.loader import Detector, Lattice, Projection, load
from testbeam.instruments.nexus_structure import fragment
from testbeam.instruments.projections import positions_of, projected_table, table_of

PLANE = Projection(screen="xy_plane", resolution={"y": 1, "x": 4})


def detector(dims: Mapping[str, int], lattice: Lattice | None = None) -> Detector:
    return Detector(name="bank", title="", first_id=11, dims=dims, sources=("bank",), production=(), lattice=lattice)


def seen(projection: Projection, *places: tuple[float, float, float]) -> Any:
    return projected_table(detector({"pixel": len(places)}), projection, np.array(places))


def test_on_a_plane_what_is_twice_as_far_is_half_as_far_from_the_beam() -> None:
    # The plane is at 5 m, where the nearest are; from 8 m x = 0.2 m comes to 0.125 m. Cells are 0.05 m wide.
    table = seen(PLANE, (0, 0, 5), (0.2, 0, 5), (0, 0, 8), (0.2, 0, 8))

    assert table.cell.tolist() == [0, 3, 0, 2]
    assert (table.axes, table.shape, table.first_id) == (("y", "x"), (1, 4), 11)
    assert table.middles_m[1] == pytest.approx([0.025, 0.075, 0.125, 0.175])
    assert table.cell.dtype == np.int32


def test_upstream_of_the_sample_the_nearest_pixel_is_nearest_too() -> None:
    assert seen(PLANE, (0, 0, -5), (0.2, 0, -5), (0.2, 0, -8)).cell.tolist() == [0, 3, 2]


def test_left_and_right_change_places_where_it_is_asked_for() -> None:
    flipped = Projection(screen="xy_plane", resolution={"y": 1, "x": 4}, flip_x=True)

    assert seen(flipped, (0, 0, 5), (0.2, 0, 5), (0.2, 0, 8)).cell.tolist() == [3, 0, 1]


def test_rows_are_y() -> None:
    table = seen(Projection(screen="xy_plane", resolution={"y": 2, "x": 3}), (-1, -1, 1), (0, 1, 1), (1, 1, 1))

    assert table.cell.tolist() == [0, 4, 5]


def test_on_a_cylinder_about_the_beam_angles_are_arcs() -> None:
    # Radius 1 m is the nearest: 90° are an arc of π/2 m; from 2 m z = 0.4 m comes to 0.2 m.
    mantle = Projection(screen="cylinder_mantle_z", resolution={"arc_length": 3, "z": 2})
    table = seen(mantle, (0, -1, 0), (1, 0, 0.4), (0, 1, 0), (2, 0, 0.4), (2, 0, 0.3))

    assert table.cell.tolist() == [0, 3, 4, 3, 2]
    assert table.middles_m[0] == pytest.approx([-np.pi / 3, 0, np.pi / 3])
    assert table.middles_m[1] == pytest.approx([0.1, 0.3])


def test_on_a_cylinder_that_stands_upright_the_beam_is_in_the_middle() -> None:
    standing = Projection(screen="cylinder_mantle_y", resolution={"y": 1, "arc_length": 3})

    assert seen(standing, (-1, 0, 0), (0, 0, 1), (1, 0, 0), (2, 0.1, 0)).cell.tolist() == [0, 1, 2, 2]


def test_what_no_ray_can_show_is_left_out_and_a_detector_of_such_is_refused() -> None:
    assert seen(PLANE, (0, 0, 5), (0.1, 0, 0), (0.2, 0, 5), (np.nan, 0, 5)).cell.tolist() == [0, -1, 3, -1]
    with pytest.raises(SettingsError, match="of which xy_plane shows a pixel"):
        seen(PLANE, (0.1, 0, 0))
    with pytest.raises(SettingsError, match="of which cylinder_mantle_z shows a pixel"):
        seen(Projection(screen="cylinder_mantle_z", resolution={"arc_length": 1, "z": 1}), (0, 0, 5))


def test_one_pixel_fills_a_cell() -> None:
    assert seen(PLANE, (0.3, 0, 5)).cell.tolist() == [2]


def test_places_of_a_lattice() -> None:
    steps = {"tube": (0.0, 0.5, 0.0), "pixel": (0.25, 0.0, 1.0)}
    tubes = detector({"tube": 2, "pixel": 2}, Lattice(origin=(-1.0, 0.0, 4.0), steps=steps))
    ring = Lattice(origin=(1.0, -90.0, 0.0), steps={"wire": (1.0, 0.0, 0.0), "segment": (0.0, 90.0, 0.0)}, coordinates="cylindrical")

    assert positions_of(tubes).tolist() == [[-1, 0, 4], [-0.75, 0, 5], [-1, 0.5, 4], [-0.75, 0.5, 5]]
    assert positions_of(detector({"wire": 2, "segment": 2}, ring)) == pytest.approx(
        np.array([[0, -1, 0], [1, 0, 0], [0, -2, 0], [2, 0, 0]])
    )


def test_places_of_a_flat_panel() -> None:
    places = positions_of(load("demo").detectors[0])

    assert places[0].tolist() == [-0.508, -0.508, 1.2]
    assert places[129].tolist() == [-0.5, -0.5, 1.2]


def written(path: Path, numbers: Any, **offsets: Any) -> h5py.File:
    """Write a bank that is turned by 90° about y, moved by 2 m along what is z after that, and then by 100 mm up."""
    file = h5py.File(path, "w")
    bank = file.create_group("entry/instrument/bank")
    bank.attrs["NX_class"] = "NXdetector"
    bank["detector_number"] = numbers
    for axis, values in offsets.items():
        bank[f"{axis}_pixel_offset"] = values
        bank[f"{axis}_pixel_offset"].attrs["units"] = "mm"
    bank["depends_on"] = "transformations/turn"
    turn = file.create_dataset("entry/instrument/bank/transformations/turn", data=90.0)
    turn.attrs.update(transformation_type="rotation", units="deg", vector=[0.0, 1.0, 0.0], depends_on="/entry/instrument/arm/out")
    out = file.create_group("entry/instrument/arm/out")  # as it is logged: the last value counts
    out.attrs.update(transformation_type="translation", vector=[0.0, 0.0, 1.0], depends_on="up")
    out["value"] = [9.0, 2.0]
    out["value"].attrs["units"] = "m"
    up = file.create_dataset("entry/instrument/arm/up", data=0.0)
    up.attrs.update(transformation_type="translation", units="mm", vector=[0.0, 1.0, 0.0], depends_on=".")
    up.attrs.update(offset=[0.0, 100.0, 0.0], offset_units="mm")
    return file


def test_places_of_a_nexus_file(tmp_path: Path) -> None:
    # x = 50 mm, turned by 90° about y, is z = −50 mm.
    written(tmp_path / "bank.nxs", [12, 11, 99], x=[50.0, 0.0, 0.0], y=[0.0, 20.0, 0.0]).close()
    places = positions_of(detector({"pixel": 3}), str(tmp_path / "bank.nxs"))

    assert places[:2] == pytest.approx(np.array([[0, 0.12, 2], [0, 0.1, 1.95]]))
    assert np.isnan(places[2]).all()  # the file has no pixel 13


def test_a_nexus_reader_of_the_field_sees_the_same_places(tmp_path: Path) -> None:
    scippnexus = pytest.importorskip("scippnexus")
    scipp = pytest.importorskip("scipp")
    offsets = np.array([[0.0, 0, 0], [1, 1, 0], [2, 4, 0], [3, 9, 0]])
    file = written(tmp_path / "bank.nxs", [[11, 12], [13, 14]], x=offsets[:, 0].reshape(2, 2), y=offsets[:, 1].reshape(2, 2))
    file["entry/instrument/bank"].attrs.update(axes=["y", "x"], signal="detector_number")
    for path, kind in [("", "NXentry"), ("/instrument", "NXinstrument"), ("/instrument/arm", "NXtransformations")]:
        file[f"entry{path}"].attrs["NX_class"] = kind
    file["entry/instrument/bank/transformations"].attrs["NX_class"] = "NXtransformations"
    attributes = dict(file["entry/instrument/arm/out"].attrs)
    del file["entry/instrument/arm/out"]  # that reader takes a logged place as many
    file["entry/instrument/arm"]["out"] = 2.0
    file["entry/instrument/arm/out"].attrs.update(attributes, units="m")
    file.close()
    with scippnexus.File(tmp_path / "bank.nxs") as read:
        moved = scippnexus.compute_positions(read["entry/instrument"][()], store_transform="moved")["bank"]["moved"]

    theirs = (moved * scipp.vectors(dims=["pixel"], values=offsets, unit="mm").to(unit="m")).values
    assert positions_of(detector({"y": 2, "x": 2}), str(tmp_path / "bank.nxs")) == pytest.approx(theirs)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda bank: bank.attrs.update(NX_class="NXdata"), "no NXdetector bank; there are: none"),
        (lambda bank: bank.__delitem__("detector_number"), "detector_number"),
        (lambda bank: bank["x_pixel_offset"].attrs.update(units="furlong"), "furlong"),
        (lambda bank: bank["transformations/turn"].attrs.update(depends_on="turn"), "depend on each other"),
        (lambda bank: bank["transformations/turn"].attrs.update(depends_on="gone"), "gone"),
        (lambda bank: bank["transformations/turn"].attrs.update(transformation_type="shear"), "shear"),
        (lambda bank: bank["detector_number"].__setitem__(..., 5), "pixels of the numbers 11…12"),
    ],
)
def test_a_file_that_does_not_say_where_pixels_are_is_refused_with_its_reason(tmp_path: Path, change: Any, reason: str) -> None:
    with written(tmp_path / "bank.nxs", [11, 12], x=[1.0, 2.0]) as file:
        change(file["entry/instrument/bank"])
    with pytest.raises(SettingsError, match=reason):
        positions_of(detector({"pixel": 2}), str(tmp_path / "bank.nxs"))


def test_without_any_place_the_option_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="NXdetector bank, as --geometry"):
        positions_of(detector({"pixel": 2}))
    with pytest.raises(SettingsError, match=r"there is no such file"):
        positions_of(detector({"pixel": 2}), str(tmp_path / "gone.nxs"))
    (tmp_path / "text.nxs").write_text("no HDF5")
    with pytest.raises(SettingsError, match=r"can't be read"):
        positions_of(detector({"pixel": 2}), str(tmp_path / "text.nxs"))


def save(node: Mapping[str, Any], parent: Any) -> None:
    """Write a node of a NeXus structure."""
    config = node.get("config", {})
    if node.get("module") == "dataset":
        made = parent.create_dataset(config["name"], data=config["values"])
    elif node.get("type") == "group":
        made = parent.create_group(node["name"])
        for child in node["children"]:
            save(child, made)
    else:
        return
    for attribute in node.get("attributes", ()):
        made.attrs[attribute["name"]] = attribute["values"]


LATTICE = {"origin": [-0.1, 0.2, 3.0], "steps": {"tube": [0.0, 0.05, 0.001], "pixel": [0.004, 0.0, 0.0]}}
MINE: Mapping[str, Any] = {
    "name": "mine",
    "detectors": [
        {"name": "bank", "first_id": 1, "dims": {"tube": 3, "pixel": 8}, "lattice": LATTICE},
        {"name": "panel", "first_id": 101, "dims": {"layer": 2, "row": 3, "x": 6}, "flat": {"distance_m": 2.0, "pitch_m": 0.01}},
    ],
    "views": [
        {
            "name": "seen",
            "projections": {
                name: {"screen": "xy_plane", "resolution": {"y": 3, "x": 5}, "flip_x": name == "bank"} for name in ("bank", "panel")
            },
        }
    ],
}


def test_a_file_made_of_an_instrument_says_where_the_instrument_says(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps(MINE))
    plain = load(tmp_path / "mine.json")
    with h5py.File(tmp_path / "mine.nxs", "w") as file:
        save(fragment(plain), file.create_group("entry"))
    (tmp_path / "filed.json").write_text(json.dumps({**MINE, "geometry": "mine.nxs"}))
    filed = load(tmp_path / "filed.json")

    assert filed.geometry == str(tmp_path / "mine.nxs")
    for one in plain.detectors:
        assert positions_of(one, filed.geometry) == pytest.approx(positions_of(one), abs=1e-8)
        assert np.array_equal(table_of(filed, one, filed.views[0]).cell, table_of(plain, one, plain.views[0]).cell)


@pytest.mark.parametrize("name", ["loki", "dream"])
def test_shipped_projections_ask_for_a_geometry(name: str) -> None:
    instrument = load(name)
    (view,) = (one for one in instrument.views if one.projections)
    with pytest.raises(SettingsError, match="--geometry"):
        table_of(instrument, instrument.detectors[0], view)
    assert set(view.detectors) == {one.name for one in instrument.detectors}
