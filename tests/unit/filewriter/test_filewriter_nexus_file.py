from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pytest

from testbeam.errors import NexusError
from testbeam.nexus import compose
from testbeam.nexus.files import opened, streams, walk
from testbeam.nexus.structure import parse
from testbeam.services.filewriter import core
from testbeam.services.filewriter.nexus_file import NexusFile, Replace, path_below, template_of
from testbeam.services.filewriter.plan import plan
from tests.unit.filewriter.writing import Writing, events

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


@pytest.mark.parametrize("source", [".", "..", "/", "../b", "../../a"])
def test_a_link_that_leads_back_to_its_own_group_is_left_out_with_a_warning(write: Write, source: str) -> None:
    """Of two groups with links to each other the second link closes the loop."""
    a = compose.group("a", "NXcollection", compose.group("c", "NXcollection"), compose.link("l", source if source != "../../a" else "../b"))
    b = compose.group("b", "NXcollection", compose.link("k", "../a" if source in ("../b", "../../a") else "../a/c"))
    writing = write(a, b)

    with writing.finish() as file:
        seen: list[str] = []
        file.visit(seen.append)
        assert len(file["a"]) + len(file["b"]) == 2
    (warning,) = writing.file.warnings
    assert "leads back to the group that it is in" in warning


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


@pytest.mark.parametrize("name", ["a\0b.nxs", "a" * 5000, "a\nb.nxs", "x\x1b[31m.nxs", "tab\t/a.nxs", "a\x85.nxs"])
def test_what_cant_be_a_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(NexusError, match="can't be the name of a file"):
        path_below(tmp_path, name)


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


def test_a_template_is_copied_and_only_what_is_missing_is_added(tmp_path: Path) -> None:
    folder = tmp_path / "TBL"
    folder.mkdir()
    with h5py.File(folder / "TBL.hdf", "w", libver="v110") as template:
        template["entry/title"] = "from the template"
        template["entry"].attrs["NX_class"] = "NXentry"
    title, speed = compose.dataset("title", "from the start command"), compose.log("speed", topic="motion", source="a")
    root = parse(compose.nexus_structure(compose.group("entry", "NXother", title, speed)))

    file = NexusFile(tmp_path / "a.nxs", root, plan(root), datetime.now(UTC), template_of(tmp_path, "TBL"))
    file.close()

    with h5py.File(tmp_path / "a.nxs") as written:
        assert written["entry/title"].asstr()[()] == "from the template"
        assert written["entry"].attrs["NX_class"] == "NXentry"
        assert "value" in written["entry/speed"]
    assert file.warnings == []


def test_a_template_in_an_older_format_is_used_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "TBL").mkdir()
    h5py.File(tmp_path / "TBL/TBL.hdf", "w", libver="earliest").close()
    root = parse("{}")

    file = NexusFile(tmp_path / "a.nxs", root, plan(root), datetime.now(UTC), template_of(tmp_path, "TBL"))
    file.close()
    assert "readers can't follow" in file.warnings[0]


@pytest.mark.parametrize("name", ["missing", "../TBL", "/etc"])
def test_a_template_that_is_not_there_is_refused_with_the_way_out(tmp_path: Path, name: str) -> None:
    with pytest.raises(NexusError, match="leave the instrument name out"):
        template_of(tmp_path, name)


def test_a_template_that_is_no_hdf5_file_leaves_no_copy_behind(tmp_path: Path) -> None:
    root = parse(compose.nexus_structure(compose.group("entry", "NXentry")))
    (tmp_path / "template.hdf").write_text("not HDF5")

    with pytest.raises(NexusError, match="can't be made"):
        NexusFile(tmp_path / "a.nxs", root, plan(root), datetime.now(UTC), tmp_path / "template.hdf")

    assert not (tmp_path / "a.nxs").exists()


def test_missing_folders_below_the_prefix_are_made_where_an_option_says_so(tmp_path: Path) -> None:
    with pytest.raises(NexusError, match="--make-folders"):
        path_below(tmp_path, "a/b/c.nxs")

    assert path_below(tmp_path, "a/b/c.nxs", make_folders=True).parent.is_dir()
    with pytest.raises(NexusError, match="is not inside"):
        path_below(tmp_path, "../x/c.nxs", make_folders=True)


@pytest.mark.parametrize("swap", ["moved", "removed", "replaced by a link"])
def test_a_file_whose_path_leads_elsewhere_in_mid_job_is_an_error_and_nothing_else_is_changed(
    write: Write, tmp_path: Path, swap: str
) -> None:
    writing = write(compose.log("speed", topic="motion", source="speed"))
    stranger = tmp_path / "stranger"
    stranger.write_text("mine")
    writing.file.path.rename(tmp_path / "elsewhere.nxs")
    if swap == "removed":
        (tmp_path / "elsewhere.nxs").unlink()
    if swap == "replaced by a link":
        writing.file.path.symlink_to(stranger)

    with pytest.raises(NexusError, match="no longer leads to the file that was written"):
        writing.finish()
    assert stranger.stat().st_mode & 0o200
    if swap != "removed":
        assert not (tmp_path / "elsewhere.nxs").stat().st_mode & 0o200


def test_the_index_of_events_is_wide_enough_for_more_than_2_31(write: Write) -> None:
    many = 2**31 + 5
    writing = write(compose.group("p", "NXevent_data", compose.stream("ev44", topic="detector", source="panel")))
    writing.take(events(1_100, [1, 2]), topic="detector")
    writing.router.flush()
    for name in ("event_id", "event_time_offset"):
        column = writing.file.routes[0].module.columns[name]
        column.dataset.id.set_extent((many,))  # a hole takes no room
        column.length = many
    writing.take(events(1_200, [7, 8]), events(1_300, [9]), topic="detector")

    with writing.finish() as file:
        assert file["p/event_index"][:].tolist() == [0, many, many + 2]
        assert file["p/event_id"][many:].tolist() == [7, 8, 9]
        assert writing.file.path.stat().st_size < 10_000_000


def test_warnings_without_end_are_counted_and_the_first_are_shown() -> None:
    warnings = core.bounded([f"link {i}: there is no {'x' * 1_000}" for i in range(5_300)])

    assert len(warnings) == 21
    assert warnings[-1] == "and 5280 more"
    assert sum(map(len, warnings)) < 20_000


def test_a_file_is_replaced_only_where_it_is_that_of_the_writer_before(tmp_path: Path) -> None:
    path = tmp_path / "a.nxs"
    path.write_bytes(b"half")

    assert path_below(tmp_path, "a.nxs", replace=Replace.UNFINISHED) == path
    path.chmod(0o444)
    assert path_below(tmp_path, "a.nxs", replace=Replace.ANY) == path
    for replace in (Replace.UNFINISHED, Replace.NOTHING):
        with pytest.raises(NexusError, match="exists already"):
            path_below(tmp_path, "a.nxs", replace=replace)


def test_a_file_that_came_since_its_path_was_looked_at_is_left_alone(tmp_path: Path) -> None:
    path = path_below(tmp_path, "a.nxs")
    path.write_bytes(b"another job's")

    with pytest.raises(NexusError, match="can't be made"):
        NexusFile(path, parse('{"children": []}'), (), datetime.now(UTC))

    assert path.read_bytes() == b"another job's"
