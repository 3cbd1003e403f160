import json

import pytest

from testbeam.model.forwarding import ConfigChange, Protocol
from testbeam.model.samples import ConnectionState
from testbeam.services.forwarder.config_topics import from_store, to_store
from testbeam.services.forwarder.status import MOST_NAMED, Rate, metrics, status_json
from testbeam.wire.flatbuffers.schemas.forwarder_command_fc00 import decode_fc00, encode_fc00
from tests.hostile.corpus import HOSTILE
from tests.unit.forwarder.forwarding import NOW, Forwarding, command, connections, spec


def status(forwarding: Forwarding) -> dict[str, object]:
    text = status_json(forwarding.streams, updates=5, updates_per_s=1.25, dropped={"x": 2}, waiting=3, unsent=1, last_error="it broke")
    read: dict[str, object] = json.loads(text)
    return read


def test_a_status_lists_each_stream_with_its_four_keys() -> None:
    forwarding = Forwarding()
    forwarding.add(spec("A"), spec("A", protocol=Protocol.CA), spec("B", topic="other"))

    assert status(forwarding)["streams"] == [
        {"channel_name": "A", "protocol": "PVA", "output_topic": "data", "schema": "f144"},
        {"channel_name": "A", "protocol": "CA", "output_topic": "data", "schema": "f144"},
        {"channel_name": "B", "protocol": "PVA", "output_topic": "other", "schema": "f144"},
    ]


def test_a_status_tells_what_is_not_connected_and_what_was_dropped() -> None:
    forwarding = Forwarding()
    a, _ = forwarding.add(spec("A"), spec("B"))
    forwarding.take(connections(a, (ConnectionState.CONNECTED, NOW)))

    seen = status(forwarding)

    assert (seen["connected"], seen["not_connected"]) == (1, ["B"])
    assert (seen["updates"], seen["updates_per_s"], seen["dropped"], seen["waiting"]) == (5, 1.2, {"x": 2}, 3)
    assert seen["last_error"] == "it broke"


def test_a_status_of_thousands_of_missing_pvs_names_some() -> None:
    forwarding = Forwarding()
    forwarding.add(*(spec(f"P{n}") for n in range(3 * MOST_NAMED)))

    assert status(forwarding)["not_connected"] == [f"P{n}" for n in range(MOST_NAMED)]


def test_metrics_tell_all_streams_of_one_pv_apart() -> None:
    forwarding = Forwarding()
    forwarding.add(spec("A"), spec("A", periodic=1), spec("A", protocol=Protocol.CA), spec("A", topic="other"), spec("A", schema="f142"))

    (of_streams,) = (one for one in metrics(forwarding.streams, 5, lambda number: number, {}, 0) if one.name == "stream_updates")
    labels = [tuple(sorted(sample.labels.items())) for sample in of_streams.samples]
    assert (len(labels), len(set(labels))) == (5, 5)


def test_a_rate_is_that_since_the_last_look() -> None:
    rate = Rate()

    assert [rate.look(100, 10.0), rate.look(300, 12.0), rate.look(300, 13.0), rate.look(301, 13.0)] == [0.0, 100.0, 0.0, 0.0]


def test_what_is_stored_comes_back() -> None:
    streams = (spec("A", periodic=1), spec("B", protocol=Protocol.CA))

    assert from_store(to_store(streams)) == streams
    assert from_store(to_store(())) == ()
    assert decode_fc00(to_store(())).change is ConfigChange.REMOVEALL


@pytest.mark.parametrize("change", [ConfigChange.REMOVE, ConfigChange.REPLACE])
def test_a_command_that_is_no_state_is_not_taken_for_one(change: ConfigChange) -> None:
    assert from_store(encode_fc00(command(change, spec("A")))) is None


def test_nothing_hostile_is_taken_for_stored_streams() -> None:
    assert [name for name, payload in HOSTILE if from_store(payload) is not None] == []
    assert from_store(None) is None
