"""What no record of an IOC shows, from a PVA server of the test's own to Kafka: tables, images, alarms without a time, bursts."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from testbeam.clients.topics import TopicHandle
from testbeam.clients.waiting import wait_for_condition
from testbeam.kit.run import Run
from testbeam.kit.spec import Service
from testbeam.model.arrays import AreaImage
from testbeam.model.forwarding import Protocol
from testbeam.model.samples import Alarm, IntegerSampleSeries, LogValue, SampleSeries, Severity
from testbeam.model.updates import UpdateBatch
from testbeam.services.forwarder.core import MISSED
from testbeam.stacks.roles.forwarder.declaration import ForwarderHandle, forwarder
from testbeam.transport.epics_environment import client_environment
from testbeam.transport.loopback import keep_on_loopback
from testbeam.transport.monitors.opening import open_monitors
from testbeam.transport.monitors.protocols import Monitors
from tests.integration.forwarder.chains import stream

S = 1_000_000_000
NOW_NS = time.time_ns()
WITHIN_S = 60.0


def stamp(value: Any, at_ns: int) -> Any:
    value["timeStamp.secondsPastEpoch"], value["timeStamp.nanoseconds"] = divmod(at_ns, S)
    return value


@cache
def forms() -> dict[str, Any]:
    """Return the types of the PVs, which stay the same objects: a server takes no other ones."""
    from p4p.nt import NTNDArray, NTScalar, NTTable

    tables = {f"TABLE:{code}": NTTable(columns=[("value", code), ("timestamp", "l")]) for code in "dl"}
    return {"NUMBER": NTScalar("d"), "NUMBERS": NTScalar("ad"), "IMAGE": NTNDArray(), **tables}


def number(value: float, at_ns: int = NOW_NS) -> Any:
    return stamp(forms()["NUMBER"].wrap(value), at_ns)


def numbers(values: Any, at_ns: int = NOW_NS) -> Any:
    return stamp(forms()["NUMBERS"].wrap(values), at_ns)


def table(code: str, values: list[float], times: list[int]) -> Any:
    found = stamp(forms()[f"TABLE:{code}"].wrap([]), NOW_NS)
    found["value.value"], found["value.timestamp"] = values, times  # set, so that empty ones are told, too
    return found


def image(unique_id: int, data: Any) -> Any:
    value = stamp(forms()["IMAGE"].wrap(data), NOW_NS + unique_id)
    value["uniqueId"] = unique_id
    return value


class Server:
    """A PVA server in this process, on loopback alone."""

    def __init__(self) -> None:
        from p4p.server import Server, StaticProvider
        from p4p.server.thread import SharedPV

        initial = {"NUMBER": number(1.5), "NUMBERS": numbers(np.zeros(0)), "IMAGE": image(0, np.zeros((2, 3), "u2"))}
        initial |= {f"TABLE:{code}": table(code, [], []) for code in "dl"}
        self.pvs = {name: SharedPV(initial=value) for name, value in initial.items()}
        provider = StaticProvider("test")
        for name, pv in self.pvs.items():
            provider.add(f"L:{name}", pv)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            conf = {
                "EPICS_PVAS_INTF_ADDR_LIST": "127.0.0.1",
                "EPICS_PVAS_SERVER_PORT": "0",
                "EPICS_PVAS_BROADCAST_PORT": str(free.getsockname()[1]),
                "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO",
                "EPICS_PVAS_BEACON_ADDR_LIST": "127.0.0.1",
            }
        self._server = Server(providers=[provider], conf=conf, useenv=False)
        keep_on_loopback()
        self.address = f"127.0.0.1:{self._server.conf()['EPICS_PVAS_SERVER_PORT']}"

    def post(self, name: str, value: Any) -> None:
        self.pvs[name].post(value)

    def close(self) -> None:
        self._server.stop()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="module")
def started(forwarding_run: Run, server: Server) -> Iterator[ForwarderHandle]:
    """A forwarder of that server."""
    topics = {f"{word}_topic": f"live_{word}" for word in ("config", "status", "storage")}
    service: Service = forwarder(name="live", ini={"status-interval": 200}, **topics)  # type: ignore[arg-type]
    with forwarding_run.add(replace(service, env={**service.env, "EPICS_PVA_NAME_SERVERS": server.address})) as started:
        assert isinstance(started, ForwarderHandle)
        yield started


@pytest.fixture
def forwarding(started: ForwarderHandle) -> ForwarderHandle:
    """The forwarder, without a stream."""
    started.client.remove_all()
    started.client.wait_for_streams([])
    return started


def of_type(topic: TopicHandle, kind: type) -> list[Any]:
    return [one.value for one in topic.messages() if isinstance(one.value, kind)]


def wait_for(condition: Any, what: str) -> Any:
    return wait_for_condition(condition, within_s=WITHIN_S, what=what)


def drops(forwarding: ForwarderHandle) -> dict[str, int]:
    return dict(forwarding.client.next_status(WITHIN_S).details["dropped"])


@pytest.mark.parametrize(
    ("schema", "kind", "code", "values"), [("se00", SampleSeries, "d", [1.25, 2.5, -4.75]), ("senv", IntegerSampleSeries, "l", [1, 2, -4])]
)
def test_a_table_goes_out_as_samples_and_an_empty_one_does_not(
    server: Server, forwarding: ForwarderHandle, topic: TopicHandle, schema: str, kind: type, code: str, values: list[float]
) -> None:
    times, name = [NOW_NS, NOW_NS + 1000, NOW_NS + 3000], f"TABLE:{code}"
    forwarding.add(stream(f"L:{name}", topic, schema=schema))
    wait_for(lambda: forwarding.client.next_status(WITHIN_S).details["connected"], "the connection")
    server.post(name, table(code, values, times))

    (found,) = wait_for(lambda: of_type(topic, kind), "the samples")
    assert (found.source_name, found.message_counter, found.timestamp_ns) == (f"L:{name}", 0, times[0])
    assert found.values.tolist() == values
    assert found.timestamps_ns.tolist() == times


def test_an_image_goes_out_with_its_shape_and_its_attributes(server: Server, forwarding: ForwarderHandle, topic: TopicHandle) -> None:
    data = np.arange(6, dtype="u2").reshape(2, 3)
    server.post("IMAGE", image(7, data))
    forwarding.add(stream("L:IMAGE", topic, schema="ad00"))

    (found,) = wait_for(lambda: of_type(topic, AreaImage), "the image")
    assert (found.source_name, found.unique_id, found.timestamp_ns) == ("L:IMAGE", 7, NOW_NS + 7)
    assert found.data.dtype == np.dtype("u2")
    assert found.data.tolist() == data.tolist()
    assert [(one.name, int(one.data)) for one in found.attributes] == [("ColorMode", 0)]


def test_of_two_hundred_frames_at_200_hz_each_arrives_or_is_counted(
    server: Server, forwarding: ForwarderHandle, topic: TopicHandle
) -> None:
    server.post("IMAGE", image(1000, np.zeros((64, 64), "u2")))
    forwarding.add(stream("L:IMAGE", topic, schema="ad00"))
    wait_for(lambda: of_type(topic, AreaImage), "the first image")
    missed, begin_s = drops(forwarding).get(MISSED, 0), time.monotonic()
    for n in range(1, 201):
        time.sleep(max(0.0, begin_s + n / 200 - time.monotonic()))  # the detector's own pace
        server.post("IMAGE", image(1000 + n, np.full((64, 64), n, "u2")))

    last = wait_for(lambda: (found := of_type(topic, AreaImage)) and found[-1].unique_id == 1200 and found, "the last image")
    numbers = [one.unique_id for one in last]
    assert numbers == sorted(set(numbers))
    assert len(numbers) + drops(forwarding).get(MISSED, 0) - missed == 201


def test_an_empty_array_and_one_of_ten_megabytes_arrive_whole(server: Server, forwarding: ForwarderHandle, topic: TopicHandle) -> None:
    large = np.arange(1_250_000.0)
    large[7] = np.nan
    forwarding.add(stream("L:NUMBERS", topic))
    wait_for(lambda: of_type(topic, LogValue), "the empty one")
    server.post("NUMBERS", numbers(large, NOW_NS + 1))

    empty, found = wait_for(lambda: len(values := of_type(topic, LogValue)) == 2 and values, "the large one")
    assert (np.size(empty.value), found.timestamp_ns) == (0, NOW_NS + 1)
    assert np.array_equal(found.value, large, equal_nan=True)


def test_an_alarm_that_changes_without_a_new_time_is_told(server: Server, forwarding: ForwarderHandle, topic: TopicHandle) -> None:
    server.post("NUMBER", number(2.5))
    forwarding.add(stream("L:NUMBER", topic))
    wait_for(lambda: of_type(topic, Alarm) and of_type(topic, LogValue), "value and alarm")
    changed = server.pvs["NUMBER"].current()
    changed.unmark()
    changed["alarm.severity"], changed["alarm.message"] = 2, "HIHI"
    server.post("NUMBER", changed)

    found = wait_for(lambda: (alarms := of_type(topic, Alarm))[1:] and alarms, "the alarm")
    assert [(one.severity, one.message) for one in found][1:] == [(Severity.MAJOR, "HIHI")]
    assert len(of_type(topic, LogValue)) == 1


@pytest.fixture
def monitors(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Monitors]:
    """A PVA client in this process."""
    for name, value in client_environment(["127.0.0.1"]).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("EPICS_PVA_NAME_SERVERS", server.address)
    monitors = open_monitors(Protocol.PVA)
    yield monitors
    monitors.close()


def test_one_look_takes_so_many_updates_and_the_next_the_others(
    server: Server, monitors: Monitors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("testbeam.transport.pva.monitor._MOST_AT_ONCE", 1)
    for stream_number, name in enumerate(server.pvs, 1):
        monitors.subscribe(stream_number, f"L:{name}")
    batches: list[UpdateBatch] = []
    wait_for(lambda: seen(batches, monitors.drain()) == set(range(1, 1 + len(server.pvs))), "a value of each")

    assert {len(batch) for batch in batches} <= {0, 1}


def seen(batches: list[UpdateBatch], batch: UpdateBatch) -> set[int]:
    """Return the streams that have values in any of the batches, the new one among them."""
    batches.append(batch)
    return {int(number) for batch in batches for columns in batch.values for number in columns.stream}


def test_a_burst_that_fills_the_queue_costs_no_newest_value_and_is_told(server: Server, monitors: Monitors) -> None:
    server.post("NUMBER", number(0.0))
    monitors.subscribe(1, "L:NUMBER")
    wait_for(lambda: len(monitors.drain()), "the first value")
    for n in range(1, 201):
        time.sleep(0.002)  # as fast as the server sends each by itself
        server.post("NUMBER", number(float(n), NOW_NS + n))
    batches: list[UpdateBatch] = []
    wait_for(lambda: newest(batches, monitors.drain()) == 200.0, "the newest value")

    assert sum(map(len, batches)) < 200
    assert [stream for batch in batches for stream in batch.overruns][:1] == [1]


def newest(batches: list[UpdateBatch], batch: UpdateBatch) -> float | None:
    """Return the last value of all batches, the new one among them."""
    batches.append(batch)
    return next((columns.value[-1] for batch in reversed(batches) for columns in batch.values), None)
