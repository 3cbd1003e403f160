from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from testbeam.errors import NexusError
from testbeam.nexus import compose
from testbeam.nexus.files import opened, streams, walk
from testbeam.services.filewriter.nexus_file import path_below
from tests.unit.filewriter.writing import Writing

Write = Callable[..., Writing]


def test_static_data_and_attributes_are_exact(write: Write) -> None:
    writing = write(
        compose.group(
            "entry",
            "NXentry",
            compose.dataset("title", "µ-run"),
            compose.dataset("names", ["a", "longer"], "string"),
            compose.dataset("features", [10138143369737381149], "uint64"),
            compose.dataset("ragged", [[1, 2], [3]], "int32"),
            compose.dataset("distance", 12.5, units="m", vector=[0.0, 0.0, -1.0]),
            compose.dataset("empty", [], "float32"),
        )
    )

    with writing.finish() as file:
        entry = file["entry"]
        assert entry.attrs["NX_class"] == "NXentry"
        assert entry["title"].asstr()[()] == "µ-run"
        assert entry["names"].asstr()[:].tolist() == ["a", "longer"]
        assert int(entry["features"][0]) == 10138143369737381149
        assert entry["ragged"][:].tolist() == [[1, 2], [3, 0]]
        assert (entry["distance"].shape, entry["distance"][()], entry["distance"].attrs["units"]) == ((), 12.5, "m")
        assert entry["distance"].attrs["vector"].tolist() == [0, 0, -1]
        assert (entry["empty"].shape, entry["empty"].dtype) == ((0,), np.float32)


def test_the_root_says_who_wrote_it_where_and_when(write: Write) -> None:
    with write().finish() as file:
        assert file.attrs["file_time"] == "2026-01-02T03:04:05.678Z"
        assert file.attrs["file_name"].endswith("/a.nxs")
        assert file.attrs["creator"].startswith("testbeam-filewriter ")
        assert file.attrs["HDF5_Version"].count(".") == 2


def test_a_stream_group_says_its_topic_source_module_and_class(write: Write) -> None:
    nodes = [
        compose.log("speed", topic="motion", source="TB:SPEED"),
        {"type": "group", "name": "panel", "children": [compose.stream("ev44", topic="detector", source="bank1")]},
    ]
    writing = write(*nodes)
    writing.finish().close()

    with opened(writing.file.path) as file:
        found = {stream.path: (stream.module, stream.topic, stream.source) for stream in streams(file)}
        assert found == {"/speed": ("f144", "motion", "TB:SPEED"), "/panel": ("ev44", "detector", "bank1")}
        assert file["panel"].attrs["NX_class"] == "NXevent_data"


def test_links_are_hard_and_may_go_up_and_to_other_links(write: Write) -> None:
    writing = write(
        compose.group(
            "entry",
            "NXentry",
            compose.link("second", "first"),
            compose.link("first", "../data/values"),
            compose.link("speed", "/log"),
        ),
        compose.group("data", "NXdata", compose.dataset("values", [1, 2])),
        compose.log("log", topic="motion", source="a"),
    )

    with writing.finish() as file:
        assert file["entry/second"][:].tolist() == [1, 2]
        assert file["entry/first"] == file["data/values"]
        assert "value" in file["entry/speed"]


def test_a_link_to_nothing_is_left_out_with_a_warning(write: Write) -> None:
    writing = write(compose.link("lost", "nowhere"))

    with writing.finish() as file:
        assert "lost" not in file
    assert writing.file.warnings == ["link /lost: there is no nowhere"]


def test_a_finished_file_is_read_only(write: Write) -> None:
    writing = write()
    writing.finish().close()

    assert writing.file.path.stat().st_mode & 0o777 == 0o444


def test_a_file_that_cant_be_made_leaves_nothing_behind(write: Write, tmp_path: Path) -> None:
    with pytest.raises(NexusError, match="bad can't be written"):
        write(compose.dataset("bad", "nul\0inside"))

    assert list(tmp_path.iterdir()) == []


def test_a_structure_that_cant_be_used_makes_no_file(write: Write, tmp_path: Path) -> None:
    with pytest.raises(NexusError, match="unknown module"):
        write(compose.stream("zz99", topic="motion", source="a"))

    assert list(tmp_path.iterdir()) == []


def test_a_leading_slash_stays_below_the_prefix(tmp_path: Path) -> None:
    assert path_below(tmp_path, "/a.nxs") == tmp_path.resolve() / "a.nxs"


@pytest.mark.parametrize("name", ["../a.nxs", "x/../../a.nxs", "", "/", ".", "out/a.nxs"])
def test_no_path_leads_outside_the_prefix(tmp_path: Path, name: str) -> None:
    prefix = tmp_path / "prefix"
    prefix.mkdir()
    (prefix / "out").symlink_to(tmp_path)

    with pytest.raises(NexusError, match="is not inside"):
        path_below(prefix, name)


def test_an_existing_file_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.nxs").touch()

    with pytest.raises(NexusError, match="exists already"):
        path_below(tmp_path, "a.nxs")
    with pytest.raises(NexusError, match=r"the folder .*missing does not exist"):
        path_below(tmp_path, "missing/a.nxs")


def test_walking_a_file_shows_every_group_and_dataset(write: Write) -> None:
    writing = write(compose.group("entry", "NXentry", compose.dataset("title", "x"), compose.dataset("n", [1, 2], "int32")))
    writing.finish().close()

    with opened(writing.file.path) as file:
        entries = {entry.path: (entry.shape, entry.dtype) for entry in walk(file)}
    assert entries == {"/": (None, None), "/entry": (None, None), "/entry/title": ((), "string"), "/entry/n": ((2,), "int32")}


def test_a_file_that_is_no_hdf5_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "a.nxs").write_text("no HDF5")

    with pytest.raises(NexusError, match=r"a\.nxs: can't be read"), opened(tmp_path / "a.nxs"):
        pass
