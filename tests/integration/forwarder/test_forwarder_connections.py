import pytest

from testbeam.clients.topics import Tail, TopicHandle
from testbeam.model.forwarding import Protocol
from testbeam.model.samples import ConnectionChange, ConnectionState, LogValue
from tests.integration.forwarder.chains import Chain, stream

BOTH = pytest.mark.parametrize("protocol", [Protocol.PVA, Protocol.CA], ids=["pva", "ca"])
CONNECTED, DISCONNECTED = ConnectionState.CONNECTED, ConnectionState.DISCONNECTED


@BOTH
def test_an_ioc_that_restarts_is_disconnected_and_connected_with_later_times(chain: Chain, topic: TopicHandle, protocol: Protocol) -> None:
    chain.forwarder.add(stream("O:VOLT", topic, protocol), stream("O:CYCLES", topic, protocol))
    topic.expect(source="O:VOLT", value=CONNECTED, within_s=10)
    topic.expect(source="O:CYCLES", value=CONNECTED, within_s=10)
    mark = topic.mark()

    chain.ioc("other").kill()
    topic.expect(source="O:VOLT", value=DISCONNECTED, since=mark, within_s=5)
    chain.ioc("other").start()
    topic.expect(source="O:VOLT", value=CONNECTED, since=mark, within_s=10)
    topic.expect(source="O:CYCLES", value=CONNECTED, since=mark, within_s=10)

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

    topic.expect(source="O:CYCLES", where=lambda r: isinstance(r.value, LogValue), within_s=5)


@BOTH
def test_an_ioc_that_restarted_unseen_is_found_for_the_next_stream(chain: Chain, topic: TopicHandle, protocol: Protocol) -> None:
    chain.forwarder.add(stream("T:LONG", topic, protocol))
    topic.expect(source="T:LONG", within_s=10)
    chain.ioc("other").restart()

    chain.forwarder.add(stream("O:CYCLES", topic, protocol))

    topic.expect(source="O:CYCLES", where=lambda r: isinstance(r.value, LogValue), within_s=5)
