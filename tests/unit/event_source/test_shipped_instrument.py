"""Geometry of the event source's panel: what the instrument's file says."""

import json
from pathlib import Path

import numpy as np
import pytest

from testbeam.errors import SettingsError
from testbeam.instruments.loader import load
from testbeam.simulators.event_source.geometry import Geometry
from testbeam.stacks.roles.event_source.declaration import event_source


def test_ids_are_in_row_order_and_pixels_are_8_mm_apart() -> None:
    geometry = Geometry.of(load("demo"))

    assert geometry.detector_number.tolist() == list(range(1, 128 * 128 + 1))
    assert np.allclose(geometry.x_m, np.tile((np.arange(128) - 63.5) * 0.008, 128))
    assert np.allclose(geometry.y_m, np.repeat((np.arange(128) - 63.5) * 0.008, 128))
    assert (geometry.source_to_sample_m, geometry.source_to_monitor_m, geometry.sample_to_panel_m) == (25.0, 23.0, 1.2)


def test_an_instrument_of_one_s_own_gives_its_panel(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    panel = {"name": "p", "first_id": 11, "dims": {"layer": 2, "y": 1, "x": 3}, "flat": {"distance_m": 2.0, "pitch_m": 0.1}}
    source = {"name": "reactor", "distance_m": 8.0, "frequency_hz": 50.0}
    path.write_text(
        json.dumps({"name": "mine", "neutron_source": source, "detectors": [panel], "monitors": [{"name": "m", "distance_m": 7.5}]})
    )

    geometry = Geometry.of(load(path))

    assert geometry.detector_number.tolist() == [11, 12, 13, 14, 15, 16]
    assert np.allclose(geometry.x_m, [-0.1, 0, 0.1] * 2)
    assert np.allclose(geometry.y_m, [-0.05] * 3 + [0.05] * 3)


@pytest.mark.parametrize("name", ["loki", "dummy"])
def test_an_instrument_without_places_is_refused_with_what_is_missing(name: str) -> None:
    with pytest.raises(SettingsError, match=r"`neutron_source`.*`flat`"):
        Geometry.of(load(name))


def test_the_role_starts_it_with_what_was_asked_for() -> None:
    service = event_source(detector_topic="d", monitor_topic="m", seed=7, rate=20, pulses=3, as_fast_as_possible=True)

    assert {"--bootstrap=${broker.kafka}", "--detector-topic=d", "--seed=7", "--rate=20", "--pulses=3", "--stay"} < set(service.command)
    assert "--instrument=demo" in service.command
    assert "--as-fast-as-possible" in service.command
    assert service.needs == ("broker",)
