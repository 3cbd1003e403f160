"""The file of a smoke run as readers of NeXus see it: scippnexus, and a validator against the NeXus definitions."""

import json
import logging
import shutil
import warnings
from pathlib import Path
from typing import Any

import h5py
import pytest

from testbeam.services.filewriter.file_maker import make_file
from testbeam.suites.first_light.plan import Plan

FIELD_S_OWN = {
    "NXmonitor is an invalid class in NXinstrument",
    "NXevent_data is an invalid class in NXmonitor",
    "NXevent_data is an invalid class in NXdetector",
}
"""How the field writes events, and its loaders want them; the definitions place monitors beside the instrument, and events nowhere."""


@pytest.fixture(scope="module")
def smoke_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the file of a smoke run from a few messages."""
    folder, plan = tmp_path_factory.mktemp("smoke"), Plan()
    log = {"schema": "f144", "topic": plan.topics.motion, "source_name": "TB:TEMP"}
    pulse = {"schema": "ev44", "message_id": 1, "reference_time": 11_000, "time_of_flight": [5, 6], "pixel_ids": [1, 16_384]}
    panel, monitor = ({"topic": topic, "source_name": name} for topic, name in _event_places(plan))
    data: list[dict[str, Any]] = [log | {"kafka_timestamp": t, "timestamp": t, "value": t / 100} for t in range(10_000, 15_000, 500)]
    data += [pulse | {"kafka_timestamp": 11_000} | panel, pulse | {"kafka_timestamp": 11_000} | monitor]
    (folder / "structure.json").write_text(plan.nexus_structure())
    (folder / "data.json").write_text(json.dumps(data))
    counts = make_file(folder / "structure.json", folder / "smoke.nxs", folder / "data.json")
    assert (counts["written"], counts["dropped"], counts["warnings"]) == (12, {}, [])
    return folder / "smoke.nxs"


def _event_places(plan: Plan) -> tuple[tuple[str, str], tuple[str, str]]:
    return (plan.topics.detector, "panel"), (plan.topics.beam_monitor, "monitor")


def test_the_entry_says_who_when_and_what(smoke_file: Path) -> None:
    with h5py.File(smoke_file) as file:
        entry = file["entry"]
        assert {"title", "start_time", "end_time", "experiment_identifier", "entry_identifier_uuid", "user", "sample"} <= set(entry)
        assert entry["end_time"].asstr()[()] == "1970-01-01T00:00:15.000Z"
        assert entry["instrument/panel/depends_on"].asstr()[()] in entry["instrument/panel"]


def test_what_it_shows_first_is_a_curve(smoke_file: Path) -> None:
    snx = pytest.importorskip("scippnexus")
    with snx.File(smoke_file) as file:
        first = file["entry"][file["entry"].attrs["default"]][...]

    assert first.dims == ("time",)
    assert first.values.tolist() == [t / 100 for t in range(10_000, 15_000, 500)]


def test_scippnexus_places_the_pixels_and_sorts_the_events(smoke_file: Path) -> None:
    snx = pytest.importorskip("scippnexus")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*[Ff]ailed to load.*")
        with snx.File(smoke_file) as file:
            loaded = file[...]
            panel = snx.compute_positions(file["entry/instrument/panel"][...])

    position = panel["panel_events"].coords["position"]
    assert position.sizes == {"y_pixel_offset": 128, "x_pixel_offset": 128}
    first = position["y_pixel_offset", 0]["x_pixel_offset", 0].value
    assert first.tolist() == pytest.approx([-0.508, -0.508, 1.2])
    events = loaded["entry"]["instrument"]["panel"]["panel_events"]
    assert events.bins.size().values[0, 0] == events.bins.size().values[127, 127] == 1


def test_a_validator_finds_nothing_but_what_is_the_field_s_own(smoke_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    validate = pytest.importorskip("nexusformat.nexus.validate")
    said: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: said.append(record.getMessage().strip()) if record.levelno == logging.ERROR else None  # type: ignore[method-assign]
    is_date = validate.is_valid_iso8601
    monkeypatch.setattr(validate, "is_valid_iso8601", lambda value: is_date(value) if isinstance(value, str) else True)  # it can't take ns
    monkeypatch.setattr(validate.logger, "handlers", [handler])
    validate.validate_file(str(shutil.copyfile(smoke_file, tmp_path / "smoke.nxs")))  # it wants to write, and a whole file is read-only

    assert set(said) == FIELD_S_OWN
