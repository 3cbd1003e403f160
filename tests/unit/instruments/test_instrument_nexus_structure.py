"""NeXus structure of an instrument: made from its file, valid, and what readers of NeXus make of it."""

import json
from typing import Any

import pytest

from testbeam.instruments.loader import load, shipped
from testbeam.instruments.nexus_structure import fragment
from testbeam.nexus import structure
from testbeam.nexus.structure import Dataset, Group


def _parsed(node: dict[str, Any]) -> Group:
    return structure.parse(json.dumps({"children": [node]}))


def _values(root: Group) -> dict[str, Any]:
    return {f"{group.path}/{child.name}": child.value for group in root.groups() for child in group.children if isinstance(child, Dataset)}


def _streams(node: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(path, stream.topic, stream.source) for path, stream in _parsed(node).streams()]


def test_the_demo_instrument_is_placed_along_the_beam() -> None:
    values = _values(_parsed(fragment(load("demo"))))

    assert [float(values[f"/instrument/{name}/distance"]) for name in ("source", "monitor", "panel")] == [-25.0, -2.0, 1.2]
    assert all(
        float(values[f"/instrument/{name}/transformations/translation"]) == float(values[f"/instrument/{name}/distance"])
        and values[f"/instrument/{name}/depends_on"] == "transformations/translation"
        for name in ("source", "monitor", "panel")
    )
    assert values["/instrument/panel/detector_number"].shape == (128, 128)
    assert values["/instrument/panel/detector_number"][1, 2] == 131
    assert (values["/instrument/panel/x_pixel_offset"][0], values["/instrument/panel/y_pixel_offset"][127]) == (-0.508, 0.508)


def test_streams_are_on_the_topics_and_of_the_sources_that_are_asked_for() -> None:
    renamed = fragment(load("demo"), detector_topic="d", monitor_topic="m", sources={"panel": 'a "quoted" one', "monitor": "n"})

    assert _streams(renamed) == [
        ("/instrument/monitor/monitor_events", "m", "n"),
        ("/instrument/panel/panel_events", "d", 'a "quoted" one'),
    ]
    assert _streams(fragment(load("demo"))) == [
        ("/instrument/monitor/monitor_events", "tb_beam_monitor", "monitor"),
        ("/instrument/panel/panel_events", "tb_detector", "panel"),
    ]


@pytest.mark.parametrize("name", [name for name in shipped() if name not in ("dream", "loki")])  # half a million pixels and more
def test_every_pixel_of_a_shipped_instrument_is_in_its_structure(name: str) -> None:
    instrument = load(name)
    node = fragment(instrument)

    values = _values(_parsed(node))
    for detector in instrument.detectors:
        numbers = values[f"/instrument/{detector.name}/detector_number"]
        assert (numbers.ravel()[0], numbers.ravel()[-1], numbers.size) == (detector.first_id, detector.last_id, detector.pixels)
    assert len(_streams(node)) == sum(len(d.sources) for d in instrument.detectors) + len(instrument.monitors)


def test_the_demo_instrument_fits_into_one_kafka_message_of_the_default_size() -> None:
    assert len(json.dumps(fragment(load("demo")))) < 200_000
