"""The instrument that testbeam ships: its geometry is what its formula says, and it is a valid nexus_structure."""

import json

import numpy as np

from testbeam.nexus import demo_instrument, structure
from testbeam.simulators.event_source.geometry import shipped
from testbeam.stacks.roles.event_source.declaration import event_source


def test_ids_are_in_row_order_and_pixels_are_8_mm_apart() -> None:
    geometry = shipped()

    assert geometry.detector_number.tolist() == list(range(1, 128 * 128 + 1))
    assert np.allclose(geometry.x_m, np.tile((np.arange(128) - 63.5) * 0.008, 128))
    assert np.allclose(geometry.y_m, np.repeat((np.arange(128) - 63.5) * 0.008, 128))
    assert (geometry.source_to_sample_m, geometry.source_to_monitor_m, geometry.sample_to_panel_m) == (25.0, 23.0, 1.2)


def test_its_streams_are_on_the_topics_and_of_the_sources_that_are_asked_for() -> None:
    node = demo_instrument.fragment(detector_topic="d", monitor_topic="m", detector_source='a "quoted" one', monitor_source="n")
    streams = list(structure.parse(json.dumps({"children": [node]})).streams())

    assert [(path, s.module, s.topic, s.source) for path, s in streams] == [
        ("/instrument/monitor/monitor_events", "ev44", "m", "n"),
        ("/instrument/panel/panel_events", "ev44", "d", 'a "quoted" one'),
    ]


def test_it_fits_into_one_kafka_message_of_the_default_size() -> None:
    assert len(json.dumps(demo_instrument.fragment(detector_topic="d", monitor_topic="m"))) < 200_000


def test_the_role_starts_it_with_what_was_asked_for() -> None:
    service = event_source(detector_topic="d", monitor_topic="m", seed=7, rate=20, pulses=3, as_fast_as_possible=True)

    assert {"--bootstrap=${broker.kafka}", "--detector-topic=d", "--seed=7", "--rate=20", "--pulses=3", "--stay"} < set(service.command)
    assert "--as-fast-as-possible" in service.command
    assert service.needs == ("broker",)
