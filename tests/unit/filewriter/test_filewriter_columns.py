"""Growing datasets: what is appended in parts of any size is in the file, whichever way it went there."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5g
from hypothesis import given, settings
from hypothesis import strategies as st

from testbeam.services.filewriter import columns
from testbeam.services.filewriter.columns import Column, ColumnSpec, WrittenGroup

CHUNK = 16_384


def _written(path: Path, sizes: list[int], compression: str = "none", dtype: str = "i4", sent: str = "i4") -> tuple[Any, Any]:
    values = np.arange(sum(sizes)).astype(sent)
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        column = Column(file, ColumnSpec(name="x", dtype=dtype, chunk=CHUNK), compression)
        file.swmr_mode = True
        start = 0
        for size in sizes:
            column.append(values[start : start + size])
            start += size
            if size % 2:
                column.flush()
        column.flush()
        assert column.length == column.rows == sum(sizes)
    with h5py.File(path) as file:
        return values, file["x"][:]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 3 * CHUNK), min_size=1, max_size=6))
def test_parts_of_any_size_come_out_in_order(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    values, found = _written(tmp_path_factory.mktemp("columns") / "a.nxs", sizes)

    assert np.array_equal(found, values)


@pytest.mark.parametrize(
    ("compression", "dtype", "sent"),
    [("gzip", "i4", "i4"), ("gzip", "f8", "f8"), ("lzf", "f8", "f8"), ("none", "f8", "i4"), ("none", ">i4", "i4")],
)
def test_what_hdf5_must_convert_is_never_written_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: str, dtype: str, sent: str
) -> None:
    monkeypatch.setattr(columns, "write_chunk", lambda *_: pytest.fail("written past the conversion"))

    values, found = _written(tmp_path / "a.nxs", [3 * CHUNK + 1], compression, dtype, sent)

    assert np.array_equal(found, values)


def test_whole_chunks_go_past_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starts, write = list[int](), columns.write_chunk

    def note(dataset: Any, start: int, data: Any) -> None:
        starts.append(start)
        write(dataset, start, data)

    monkeypatch.setattr(columns, "write_chunk", note)

    values, found = _written(tmp_path / "a.nxs", [101, 3 * CHUNK + 1])

    assert np.array_equal(found, values)
    assert starts == [CHUNK, 2 * CHUNK]


def test_a_reader_follows_chunks_as_they_come(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.nxs", "w", libver=("v110", "v110")) as file:
        column = Column(file, ColumnSpec(name="x", dtype="i4", chunk=CHUNK))
        file.swmr_mode = True
        column.append(np.arange(2 * CHUNK + 5, dtype=np.int32))
        column.flush()
        file.flush()
        with h5py.File(tmp_path / "a.nxs", swmr=True) as reader:
            assert np.array_equal(reader["x"][:], np.arange(2 * CHUNK + 5))


def test_a_dataset_like_one_before_it_is_equal_to_it_and_holds_rows_of_its_own(tmp_path: Path) -> None:
    specs = [ColumnSpec(name="x", dtype="i4", chunk=64, row=row, attributes=(("units", units),)) for row in ((), (2,)) for units in "Vm"]
    kinds = [(spec, compression) for spec in specs for compression in ("none", "gzip")]
    models: dict[Hashable, Any] = {}
    with h5py.File(tmp_path / "a.nxs", "w", libver=("v110", "v110")) as file:
        made = [
            Column(WrittenGroup(h5g.create(file.id, name.encode()), f"/{name}", file.id, models), *kind)
            for name, kind in ((f"{number}{copy}", kind) for copy in "abc" for number, kind in enumerate(kinds))
        ]
        models.clear()
        file.swmr_mode = True
        for number, column in enumerate(made):
            column.append(np.full((number, *column.spec.row), number, np.int32))
            column.flush()
    with h5py.File(tmp_path / "a.nxs") as file:
        found = [file[f"{number}{copy}/x"] for copy in "abc" for number in range(len(kinds))]
        for number, (dataset, (spec, compression)) in enumerate(zip(found, kinds * 3, strict=True)):
            assert np.array_equal(dataset[:], np.full((number, *spec.row), number))
            assert (dataset.chunks, dataset.maxshape) == ((64, *spec.row), (None, *spec.row))
            assert (dict(dataset.attrs), dataset.compression) == (dict(spec.attributes), None if compression == "none" else compression)


def test_a_chunk_is_never_so_long_that_its_first_row_fills_a_disk() -> None:
    assert ColumnSpec(name="x", dtype="i4", chunk=2**20).chunk == 2**20
    assert ColumnSpec(name="x", dtype="u8", chunk=2**31 - 1).chunk == 2**23
    assert ColumnSpec(name="x", dtype="u2", chunk=1_024, row=(1_000, 1_000)).chunk == 33
    assert ColumnSpec(name="x", dtype="f8", chunk=64, row=(10_000, 10_000)).chunk == 1
    assert ColumnSpec(name="x", dtype="f8", chunk=64, row=(0,)).chunk == 64
