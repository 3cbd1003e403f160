"""Files and templates from JSON, without Kafka."""

import json
from pathlib import Path
from typing import Any

import h5py
import pytest

from testbeam.errors import NexusError, SettingsError
from testbeam.nexus import compose
from testbeam.nexus.structure import parse
from testbeam.services.filewriter.file_maker import file_maker, make_file, make_template

DATA: list[dict[str, Any]] = [
    {"schema": "f144", "topic": "motion", "kafka_timestamp": 10_100, "source_name": "speed", "value": 3.5, "timestamp": 10_100},
    {"schema": "f144", "topic": "motion", "kafka_timestamp": 9_000, "source_name": "speed", "value": 1, "timestamp": 9_000},
    {
        "schema": "ep01",
        "topic": "motion",
        "kafka_timestamp": 10_050,
        "source_name": "speed",
        "connection_status": "ConnectionInfo::CONNECTED",
        "timestamp": 10_050,
    },
    {
        "schema": "al00",
        "topic": "motion",
        "kafka_timestamp": 10_050,
        "source_name": "speed",
        "timestamp": 10_060,
        "severity": "Severity::MINOR",
        "message": "HIGH",
    },
    {
        "schema": "ev44",
        "topic": "detector",
        "kafka_timestamp": 11_000,
        "source_name": "panel",
        "message_id": 1,
        "reference_time": 11_000,
        "time_of_flight": [5, 6],
        "pixel_ids": [1, 2],
    },
    {"schema": "ad00", "topic": "detector", "kafka_timestamp": 11_000, "source_name": "cam", "data": [[1, 2]], "timestamp": 11_000},
    {
        "schema": "da00",
        "topic": "detector",
        "kafka_timestamp": 11_000,
        "source_name": "mon",
        "data": [4, 5],
        "name": "signal",
        "axis_name": "x",
        "timestamp": 11_000,
    },
    {"schema": "f144", "topic": "sample_env", "kafka_timestamp": 11_000, "source_name": "other", "value": 1, "timestamp": 11_000},
]
VARIABLES = [{"name": "signal", "data_type": "int32", "shape": [2]}]
STRUCTURE = compose.nexus_structure(
    compose.group(
        "entry",
        "NXentry",
        compose.dataset("title", "a file"),
        compose.log("speed", topic="motion", source="speed"),
        compose.group("panel", "NXevent_data", compose.stream("ev44", topic="detector", source="panel")),
        compose.group("cam", "NXlog", compose.stream("ad00", topic="detector", source="cam", array_size=[1, 2])),
        compose.group("mon", "NXdata", compose.stream("da00", topic="detector", source="mon", variables=VARIABLES)),
    )
)


@pytest.fixture
def structure(tmp_path: Path) -> Path:
    path = tmp_path / "structure.json"
    path.write_text(STRUCTURE)
    return path


def test_every_kind_of_message_gets_into_the_file(tmp_path: Path, structure: Path) -> None:
    (tmp_path / "data.json").write_text(json.dumps(DATA))

    counts = make_file(structure, tmp_path / "a.nxs", tmp_path / "data.json")

    assert (counts["received"], counts["written"], counts["dropped"]) == (8, 7, {"topic not in the structure": 1})
    with h5py.File(tmp_path / "a.nxs") as file:
        entry = file["entry"]
        assert entry["speed/value"][:].tolist() == [1, 3.5]
        assert entry["speed/connection_status"][:].tolist() == [2]
        assert entry["speed/alarm_message"][:].tolist() == [b"HIGH"]
        assert entry["panel/event_id"][:].tolist() == [1, 2]
        assert entry["cam/value"][:].tolist() == [[[1, 2]]]
        assert entry["mon/signal"][:].tolist() == [[4, 5]]


def test_without_messages_the_file_is_valid_and_a_second_one_in_the_same_process_is_too(tmp_path: Path, structure: Path) -> None:
    for name in ("a.nxs", "b.nxs"):
        assert file_maker(["-f", str(structure), "-o", str(tmp_path / name)]) == 0
        with h5py.File(tmp_path / name) as file:
            assert file["entry/speed/value"].shape == (0,)
    assert file_maker(["-f", str(structure), "-o", str(tmp_path / "a.nxs")]) == 3


@pytest.mark.parametrize("text", ["{", "{}", "[1]", json.dumps([{**DATA[0], "schema": "zz99"}]), json.dumps([{"schema": "f144"}])])
def test_messages_of_another_form_are_refused_with_the_form_they_should_have(tmp_path: Path, structure: Path, text: str) -> None:
    (tmp_path / "data.json").write_text(text)
    if text == "{}":
        make_file(structure, tmp_path / "a.nxs", tmp_path / "data.json")
        return
    with pytest.raises(SettingsError, match="a list of objects"):
        make_file(structure, tmp_path / "a.nxs", tmp_path / "data.json")


def test_a_template_has_all_but_the_streams_and_a_file_may_begin_as_its_copy(tmp_path: Path, structure: Path) -> None:
    path = make_template(structure, "inst", tmp_path / "inst" / "inst.hdf")
    with h5py.File(path) as file:
        assert file["entry/title"].asstr()[()] == "a file"
        assert list(file["entry/speed"]) == []

    make_file(structure, tmp_path / "a.nxs", instrument="inst", templates=tmp_path)
    with h5py.File(tmp_path / "a.nxs") as file:
        assert file["entry/speed/value"].shape == (0,)
    assert parse(STRUCTURE).children
    with pytest.raises(NexusError, match="exists already"):
        make_template(structure, "inst", tmp_path / "inst" / "inst.hdf")
