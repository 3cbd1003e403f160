"""The collector: values and states of devices on a topic, under the devices' names in lower case, at the times at which they were so."""

import time
from typing import Any

from testbeam.clients.control import Client
from testbeam.model.samples import Alarm, LogValue
from testbeam.model.time import NS_PER_S
from testbeam.wire.flatbuffers import registry

TOPIC = "test_smoke_nicos_devices"


def messages(run: Any, source: str) -> list[Any]:
    decoded = [(one.key, registry.decode(one.payload)) for one in run["broker"].topic(TOPIC).messages()]
    return [value for key, value in decoded if value.source_name == source and key in (source.encode(), None)]


def wait_for_value(run: Any, source: str, wanted: float, within_s: float = 20) -> LogValue:
    end_s = time.monotonic() + within_s
    while True:
        values = [one for one in messages(run, source) if isinstance(one, LogValue)]
        found = [one for one in values if abs(float(one.value) - wanted) < 0.05]
        if found:
            return found[-1]
        assert time.monotonic() < end_s, f"{source} was never {wanted} on {TOPIC}; the last were {[float(v.value) for v in values[-5:]]}"
        time.sleep(0.1)


def test_a_move_is_on_the_topic(client: Client, shared_run: Any) -> None:
    client.maw(client.dev("SmokeBasicMoveable"), 8.25)

    sent = wait_for_value(shared_run, "smokebasicmoveable", 8.25)
    assert abs(sent.timestamp_ns / NS_PER_S - time.time()) < 60


def test_states_are_on_the_topic(client: Client, shared_run: Any) -> None:
    client.maw(client.dev("SmokeBasicMoveable"), 2)
    wait_for_value(shared_run, "smokebasicmoveable", 2)

    assert [one for one in messages(shared_run, "smokebasicmoveable") if isinstance(one, Alarm)]


def test_texts_are_no_values(client: Client, shared_run: Any) -> None:
    client.NewSample("a text")
    client.maw(client.dev("SmokeBasicMoveable"), 3.75)
    wait_for_value(shared_run, "smokebasicmoveable", 3.75)

    assert not [one for one in messages(shared_run, "sample") if isinstance(one, LogValue)]
