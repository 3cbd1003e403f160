"""What `testbeam nexus show` and `diff` say of files."""

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from testbeam.errors import NexusError
from testbeam.nexus.diff import differences
from testbeam.nexus.files import opened
from testbeam.nexus.show import tree


@pytest.fixture
def files(tmp_path: Path) -> Iterator[tuple[h5py.File, h5py.File]]:
    made = []
    for name in "ab":
        file = h5py.File(tmp_path / name, "w")
        file.attrs["file_name"] = name
        group = file.create_group("entry/speed")
        group.attrs["NX_class"] = "NXlog"
        group["value"] = [1.0, np.nan, 3.0]
        group["value"].attrs["units"] = "Hz"
        group["time"] = np.array([0, 10**9, 2 * 10**9], np.uint64)
        group["time"].attrs["start"], group["time"].attrs["units"] = "1970-01-01T00:00:00Z", "ns"
        file["entry/alias"] = group
        file["entry/title"] = "a run"
        made.append(file)
    yield made[0], made[1]
    for file in made:
        file.close()


def test_a_file_is_shown_with_classes_units_and_statistics(files: tuple[h5py.File, h5py.File]) -> None:
    lines = list(tree(files[0]))

    assert "    speed  NXlog" in lines
    assert "      value  float64  3  Hz  1 … 3, mean 2" in lines
    assert "      time  uint64  3  ns  1970-01-01T00:00:00.000Z … 1970-01-01T00:00:02.000Z" in lines
    assert "    title  string  = a run" in lines
    assert list(tree(files[0], below="/entry/title")) == ["    title  string  = a run"]


def test_equal_files_differ_in_nothing(files: tuple[h5py.File, h5py.File]) -> None:
    assert list(differences(*files)) == []


def test_each_kind_of_difference_is_named_with_its_place(files: tuple[h5py.File, h5py.File]) -> None:
    one, other = files
    other["entry/speed/value"][2] = 4.0
    other["entry/speed/value"].attrs["units"] = "kHz"
    del other["entry/title"]
    other["entry/more"] = 1
    other["entry"].attrs["new"] = 1
    del other["entry/speed/time"]
    other["entry/speed/time"] = [1]

    found = list(differences(one, other))

    assert "/entry/speed/value[2]: np.float64(3.0) and np.float64(4.0)" in found
    assert any(line.startswith("/entry/speed/value@units: ") for line in found)
    assert "/entry/title: only in the first file" in found
    assert "/entry/more: only in the second file" in found
    assert "/entry@new: only in the second file" in found
    assert "/entry/speed/time: of type uint64 and int64" in found


def test_a_group_that_is_a_link_to_itself_ends_the_comparison(files: tuple[h5py.File, h5py.File]) -> None:
    for file in files:
        file["entry/loop"] = file["entry"]

    assert list(differences(*files)) == []


def test_a_file_that_is_not_there_is_said_in_plain_words(tmp_path: Path) -> None:
    with pytest.raises(NexusError, match=r"no\.nxs: there is no such file$"), opened(tmp_path / "no.nxs"):
        pass
    with pytest.raises(NexusError, match=r"is a folder, not a NeXus file$"), opened(tmp_path):
        pass
