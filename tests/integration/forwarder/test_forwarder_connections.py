import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from testbeam.clients.topics import Tail, TopicHandle
from testbeam.model.forwarding import Protocol
from testbeam.model.samples import ConnectionChange, ConnectionState, LogValue
from testbeam.stacks.roles.forwarder.declaration import ForwarderHandle, forwarder
from tests.integration.forwarder.chains import Chain, stream

BOTH = pytest.mark.parametrize("protocol", [Protocol.PVA, Protocol.CA], ids=["pva", "ca"])
SOAK = bool(os.environ.get("TESTBEAM_SOAK"))
CONNECTED, DISCONNECTED = ConnectionState.CONNECTED, ConnectionState.DISCONNECTED


@BOTH
def test_an_ioc_that_restarts_is_disconnected_and_connected_with_later_times(chain: Chain, topic: TopicHandle, protocol: Protocol) -> None:
    chain.forwarder.add(stream("O:VOLT", topic, protocol), stream("O:CYCLES", topic, protocol))
    topic.expect(source="O:VOLT", value=CONNECTED, within_s=60)
    topic.expect(source="O:CYCLES", value=CONNECTED, within_s=60)
    mark = topic.mark()

    chain.ioc("other").kill()
    topic.expect(source="O:VOLT", value=DISCONNECTED, since=mark, within_s=60)
    chain.ioc("other").start()
    topic.expect(source="O:VOLT", value=CONNECTED, since=mark, within_s=60)
    topic.expect(source="O:CYCLES", value=CONNECTED, since=mark, within_s=60)

    for name in ("O:VOLT", "O:CYCLES"):
        changes = [r.value for r in topic.messages() if isinstance(r.value, ConnectionChange) and r.source == name]
        assert [change.state for change in changes] == [CONNECTED, DISCONNECTED, CONNECTED]
        assert changes[0].timestamp_ns < changes[1].timestamp_ns < changes[2].timestamp_ns
        assert {change.service_id for change in changes} == {"forwarder"}
    chain.ioc("other").pv("O:VOLT").put(7.0)
    topic.expect(source="O:VOLT", value=7.0, since=mark)


@BOTH
def test_a_pv_added_before_its_ioc_is_up_is_found_soon_after(chain: Chain, topic: TopicHandle, tail: Tail, protocol: Protocol) -> None:
    chain.ioc("other").kill()
    chain.forwarder.add(stream("O:CYCLES", topic, protocol))
    assert tail.read(3.0) == []  # by then searches would be seconds apart

    chain.ioc("other").start()

    topic.expect(source="O:CYCLES", where=lambda r: isinstance(r.value, LogValue), within_s=60)


@BOTH
def test_an_ioc_that_restarted_unseen_is_found_for_the_next_stream(chain: Chain, topic: TopicHandle, protocol: Protocol) -> None:
    chain.forwarder.add(stream("T:LONG", topic, protocol))
    topic.expect(source="T:LONG", within_s=60)
    chain.ioc("other").restart()

    chain.forwarder.add(stream("O:CYCLES", topic, protocol))

    topic.expect(source="O:CYCLES", where=lambda r: isinstance(r.value, LogValue), within_s=60)


@pytest.fixture(params=[3.0, pytest.param(45.0, marks=pytest.mark.skipif(not SOAK, reason="45 s each: part of make soak"))])
def attentive(chain: Chain, request: pytest.FixtureRequest) -> Iterator[tuple[ForwarderHandle, float]]:
    """A forwarder, and how long it may take it to notice that an IOC hangs: as the EPICS variables say, or with none set."""
    name, limit_s = f"attentive-{request.param:g}", request.param
    topics = {f"{word}_topic": f"{name}_{word}" for word in ("config", "status", "storage")}
    service = forwarder(name=name, iocs=("ioc", "other"), **topics)  # type: ignore[arg-type]
    shorter = {"EPICS_CA_CONN_TMO": "2", "EPICS_PVA_CONN_TMO": "2"} if limit_s < 45 else {}
    with chain.run.add(replace(service, env={**service.env, **shorter})) as started:
        assert isinstance(started, ForwarderHandle)
        yield started, limit_s


@BOTH
@pytest.mark.timeout(300)
def test_an_ioc_that_hangs_is_noticed_and_found_again(
    chain: Chain, attentive: tuple[ForwarderHandle, float], topic: TopicHandle, protocol: Protocol
) -> None:
    forwarding, limit_s = attentive
    forwarding.add(stream("O:VOLT", topic, protocol), stream("T:LONG", topic, protocol))
    for name in ("O:VOLT", "T:LONG"):
        topic.expect(source=name, value=CONNECTED, within_s=60)
    mark = topic.mark()

    with chain.ioc("other").paused():
        topic.expect(source="O:VOLT", value=DISCONNECTED, since=mark, within_s=limit_s if limit_s >= 45 else 5 * limit_s)
    topic.expect(source="O:VOLT", value=CONNECTED, since=mark, within_s=60)
    chain.ioc("other").pv("O:VOLT").put(8.5, within_s=60)
    topic.expect(source="O:VOLT", value=8.5, since=mark, within_s=60)

    states = [r.value.state for r in topic.messages(mark) if isinstance(r.value, ConnectionChange)]
    assert states == [DISCONNECTED, CONNECTED]  # of that IOC alone
