import json
import socket
import time
import urllib.request
import zlib
from dataclasses import replace
from functools import partial

import pytest

from testbeam.clients.forwarder import ForwarderClient
from testbeam.clients.topics import Record, TopicHandle
from testbeam.clients.waiting import wait_for_condition
from testbeam.kit.run import Run
from testbeam.kit.spec import Port, Service
from testbeam.model.forwarding import ConfigChange, ForwarderCommand, Protocol
from testbeam.model.samples import LogValue
from testbeam.stacks.roles.broker.declaration import BrokerHandle
from testbeam.stacks.roles.event_source.declaration import event_source
from testbeam.stacks.roles.filewriter.declaration import filewriter
from testbeam.stacks.roles.forwarder.declaration import ForwarderHandle, forwarder
from testbeam.stacks.roles.ioc.declaration import ioc
from testbeam.wire.pv_reading import Reading
from tests.integration.forwarder.chains import TOPICS, Chain, stream


@pytest.fixture
def own(chain: Chain, request: pytest.FixtureRequest) -> Service:
    """A forwarder with topics of its own, to be started by the test."""
    name = f"fw{abs(hash(request.node.name)) % 10**8}"
    topics = {f"{word}_topic": f"{name}_{word}" for word in ("config", "status", "storage")}
    chain.broker.create_topics(*topics.values())
    return forwarder(name=name, **topics)  # type: ignore[arg-type]


def is_value(record: Record) -> bool:
    return isinstance(record.value, LogValue)


def has_reached(count: int, reading: Reading) -> bool:
    return isinstance(reading.value, float) and reading.value >= count


def handle_of(started: object) -> ForwarderHandle:
    assert isinstance(started, ForwarderHandle)
    return started


def client_of(chain: Chain, service: Service) -> ForwarderClient:
    return ForwarderClient(chain.broker.kafka, service.options["config_topic"], service.options["status_topic"])


def test_a_command_sent_right_after_it_is_ready_is_done(chain: Chain, own: Service, topic: TopicHandle) -> None:
    with client_of(chain, own) as client, chain.run.add(own):
        client.add(stream("T:LONG", topic))
        client.wait_for_streams([stream("T:LONG", topic)])


def test_a_command_sent_while_it_starts_is_done_and_one_of_before_is_not(chain: Chain, own: Service, topic: TopicHandle) -> None:
    commands = chain.broker.topic(own.options["config_topic"])
    now_ms = time.time_ns() // 1_000_000
    for name, sent_ms in (("T:ENUM", now_ms - 1_000), ("T:LONG", now_ms + 10_000)):  # as if sent while the program was loading
        commands.produce(ForwarderCommand(change=ConfigChange.ADD, streams=(stream(name, topic),)), timestamp_ms=sent_ms)

    with client_of(chain, own) as client, chain.run.add(own):
        client.wait_for_streams([stream("T:LONG", topic)])


def test_the_streams_of_before_are_restored_and_skipped_if_asked(chain: Chain, own: Service, topic: TopicHandle) -> None:
    wanted = [stream("T:LONG", topic), stream("T:ENUM", topic)]
    with chain.run.add(own) as started:
        client = handle_of(started).client
        client.add(wanted[0], stream("T:DOUBLE", topic), wanted[1])
        client.remove("T:DOUBLE")
        client.wait_for_streams(wanted)
        chain.broker.topic(own.options["storage_topic"]).produce(b"rubbish")
        started.restart()
        client.wait_for_streams(wanted)
        started.stop()
    with client_of(chain, own) as client, chain.run.add(own.configured(name=f"{own.name}b", ini={"skip-retrieval": "true"})):
        client.wait_for_streams([])


def test_a_broker_that_hangs_costs_no_update(shared_broker: BrokerHandle, chain: Chain, topic: TopicHandle) -> None:
    names = ["T:COUNT-0", "T:COUNT-1"]
    chain.forwarder.add(stream(names[0], topic, Protocol.PVA), stream(names[1], topic, Protocol.CA))
    reached = [topic.expect(source=name, where=is_value, within_s=60).value.value + 30 for name in names]

    shared_broker.pause()
    for name, count in zip(names, reached, strict=True):
        chain.ioc().pv(name).expect(where=partial(has_reached, count))
    shared_broker.resume()

    for name, count in zip(names, reached, strict=True):
        topic.expect(source=name, value=count, within_s=60)
        counts = [int(r.value.value) for r in topic.messages() if is_value(r) and r.source == name]
        assert counts == list(range(counts[0], counts[0] + len(counts)))


def test_stopping_it_sends_what_is_under_way(chain: Chain, own: Service, topic: TopicHandle) -> None:
    with chain.run.add(own.configured(ini={"fake-pv-period": 1})) as started:
        handle_of(started).add(stream("A", topic, Protocol.FAKE))
        topic.expect(source="A", where=is_value)
        started.stop()
        log = started.get_stderr()

    sent = [r for r in topic.messages() if is_value(r)]

    assert f"sent {len(sent)} updates; dropped: none" in log


def test_without_its_topics_it_waits_says_so_and_goes_on(chain: Chain) -> None:
    service = forwarder(name="lost", config_topic="lost_commands", status_topic="lost_status", storage_topic="lost_storage")
    service = replace(service, ready=None, options={**service.options, "topics": ()})  # so that the run does not make them
    with chain.run.add(service) as started:
        assert_logged(started, "lost_commands' is not on")
        chain.broker.create_topics("lost_commands", "lost_status")
        assert_logged(started, "no streams are restored: topic 'lost_storage'")
        handle_of(started).add(stream("A", "lost_status"))
        assert started.is_running()


def assert_logged(started: object, text: str) -> None:
    handle = handle_of(started)
    wait_for_condition(lambda: text in handle.get_stderr(), within_s=60, what=f"{text!r} in the log")


def test_prometheus_is_answered_with_what_was_sent_and_with_nothing_of_what_was_removed(
    chain: Chain, own: Service, topic: TopicHandle
) -> None:
    service = replace(own, ports=(*own.ports, Port(name="metrics")), endpoints={**own.endpoints, "metrics": "127.0.0.1:${port.metrics}"})
    streams = [stream("T:LONG", topic), stream("T:LONG", topic, schema="f142"), stream("T:COUNT-0", topic, Protocol.CA)]
    with chain.run.add(service.configured(ini={"metrics-port": "${port.metrics}"})) as started:
        handle_of(started).add(*streams)
        topic.expect(source="T:COUNT-0", where=is_value)
        wait_for_condition(lambda: sum(map(is_value, topic.messages())) >= 5, within_s=60, what="some values")
        before, sent = metrics(started), sum(map(is_value, topic.messages()))
        handle_of(started).client.remove("T:LONG", schema="f142")
        handle_of(started).client.wait_for_streams([streams[0], streams[2]])
        after = metrics(started)

    label = f'channel="T:LONG",protocol="PVA",schema="{{}}",topic="{topic.name}"'
    assert before["forwarder_streams"] == before["forwarder_connected"] == 3
    assert 5 <= before["forwarder_updates_total"] <= sent + 1  # the text of f142 counts too, and is no LogValue
    assert [before[f"forwarder_stream_updates_total{{{label.format(schema)}}}"] for schema in ("f144", "f142")] == [1, 1]
    assert after["forwarder_streams"] == 2
    assert not [name for name in after if label.format("f142") in name]
    assert after["forwarder_updates_total"] >= before["forwarder_updates_total"]


def metrics(started: object) -> dict[str, float]:
    """Return what Prometheus would read, by name and labels."""
    with urllib.request.urlopen(f"http://{handle_of(started).endpoints['metrics']}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}


def test_the_log_goes_to_graylog_too(chain: Chain, own: Service) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as graylog:
        graylog.bind(("127.0.0.1", 0))
        graylog.settimeout(20)
        with chain.run.add(own.configured(ini={"graylog-logger-address": f"127.0.0.1:{graylog.getsockname()[1]}"})):
            events = iter(lambda: json.loads(zlib.decompress(graylog.recv(65_536))), None)
            found = next(event for event in events if "ready" in event["short_message"])

    assert (found["version"], found["level"], found["_service"]) == ("1.1", 6, "forwarder")
    assert found["short_message"] == f"ready: reading commands from topic '{own.options['config_topic']}'"


def test_one_otherwise_configured_works_beside_the_one_that_runs_and_nothing_else_is_touched(chain: Chain, topic: TopicHandle) -> None:
    run = chain.run
    before, ini = pids(run), run.folder / "config-files" / "forwarder.ini"
    text = ini.read_text()

    with run.add(run["forwarder"].service, ini={"fake-pv-period": 7}) as started:
        assert {name: pid for name, pid in pids(run).items() if name != started.name} == before
        assert ini.read_text() == text
        own = (ini.parent / f"{started.name}.ini").read_text().splitlines()
        assert {f"[{started.name}]", f"service-id={started.name}", "fake-pv-period=7"} <= set(own)
        wait_for_condition(lambda: started.name in who(chain, TOPICS[1]), within_s=60, what="a status of it")
        handle_of(started).add(stream("T:LONG", topic))
        wait_for_condition(lambda: sum(map(is_value, topic.messages())) >= 2, within_s=60, what="a value from each forwarder")

    assert pids(run) == before


def test_two_iocs_of_one_declaration_serve_their_pvs_each_for_itself(chain: Chain) -> None:
    with chain.run.add(ioc(name="twin", prefix="TWIN:", counting=1)) as first, chain.run.add(first.service) as second:
        pvs = [chain.ioc(one.name).pv("TWIN:COUNT-0") for one in (first, second)]

        assert [one.name for one in (first, second)] == ["twin", "twin-2"]
        assert all(isinstance(pv.read(within_s=60).value, float) for pv in pvs)
        assert first.endpoints["pva"] != second.endpoints["pva"]


def test_two_event_sources_of_one_declaration_tell_their_status_each_by_its_name(chain: Chain, topic: TopicHandle) -> None:
    status = chain.new_topic().name
    source = event_source("twin", detector_topic=topic.name, monitor_topic=topic.name, status_topic=status)

    with chain.run.add(source), chain.run.add(source):
        wait_for_condition(lambda: who(chain, status) == {"twin", "twin-2"}, within_s=60, what="a status of each")


def test_two_writers_of_one_declaration_are_both_in_the_pool(chain: Chain) -> None:
    topics = {f"{word}_topic": chain.new_topic().name for word in ("pool", "status", "control")}
    writer = filewriter(name="twin", **topics)  # type: ignore[arg-type]

    with chain.run.add(writer), chain.run.add(writer, ini={"status-master-interval": "500ms"}):
        wait_for_condition(lambda: len(who(chain, topics["status_topic"])) == 2, within_s=60, what="a status of each")


def who(chain: Chain, topic: str) -> set[str]:
    """Return by which names services have told their status on a topic."""
    return {record.value.service_id for record in chain.broker.topic(topic).messages()}


def pids(run: Run) -> dict[str, int | None]:
    return {name: handle.pid for name, handle in run.handles.items()}
