import pytest

from testbeam.clients.forwarder import ForwarderClient
from testbeam.clients.topics import Tail, TopicHandle
from testbeam.errors import PvMissing, WaitTimeout
from testbeam.model.forwarding import ConfigChange, ForwarderCommand, Protocol
from testbeam.model.samples import ConnectionState, LogValue, Severity
from tests.hostile.corpus import HOSTILE
from tests.integration.forwarder.chains import Chain, stream

PVA, CA = Protocol.PVA, Protocol.CA


def test_the_status_lists_exactly_what_was_added(client: ForwarderClient, topic: TopicHandle) -> None:
    wanted = [stream("T:DOUBLE", topic, PVA), stream("T:DOUBLE", topic, CA), stream("T:LONG", topic, PVA)]
    client.add(*wanted)

    status = client.wait_for_streams(wanted)

    assert status.service.software_name == "Forwarder"
    assert [set(entry) for entry in status.details["streams"]] == [{"channel_name", "protocol", "output_topic", "schema"}] * 3


def test_a_hundred_single_adds_at_once_are_all_done(client: ForwarderClient, topic: TopicHandle) -> None:
    wanted = [stream(f"T:NOBODY-{n}", topic, CA) for n in range(100)]
    for spec in wanted:
        client.add(spec)

    client.wait_for_streams(wanted, within_s=60)


@pytest.mark.parametrize(
    ("removal", "left"),
    [
        ({"channel": "T:DOUBLE", "topic": "TOPIC"}, ["T:LONG", "T:ENUM"]),
        ({"channel": "T:DOUBLE", "schema": "f144"}, ["T:LONG", "T:ENUM"]),
        ({"topic": "TOPIC", "schema": "f144"}, []),
        ({"channel": "T:*N*"}, ["T:DOUBLE"]),
        ({"channel": "T:LONG", "schema": "f142"}, ["T:DOUBLE", "T:LONG", "T:ENUM"]),
        ({}, ["T:DOUBLE", "T:LONG", "T:ENUM"]),
    ],
)
def test_remove_takes_away_what_matches(client: ForwarderClient, topic: TopicHandle, removal: dict[str, str], left: list[str]) -> None:
    client.add(*(stream(name, topic) for name in ("T:DOUBLE", "T:LONG", "T:ENUM")))
    client.remove(**{key: topic.name if value == "TOPIC" else value for key, value in removal.items()})

    client.wait_for_streams([stream(name, topic) for name in left])


def test_what_was_removed_is_silent(chain: Chain, client: ForwarderClient, topic: TopicHandle) -> None:
    chain.forwarder.add(stream("T:COUNT-0", topic), stream("T:COUNT-1", topic))
    topic.expect(source="T:COUNT-0", within_s=60)
    client.remove("T:COUNT-0")
    client.wait_for_streams([stream("T:COUNT-1", topic)])
    mark = topic.mark()
    counted = topic.expect(source="T:COUNT-1", where=lambda r: isinstance(r.value, LogValue), since=mark).value.value

    topic.expect(source="T:COUNT-1", value=counted + 5, since=mark)

    assert {record.source for record in topic.messages(mark)} == {"T:COUNT-1"}


def test_replace_leaves_what_stays_undisturbed(chain: Chain, client: ForwarderClient, topic: TopicHandle, tail: Tail) -> None:
    chain.forwarder.add(stream("T:DOUBLE", topic), stream("T:LONG", topic))
    assert {record.source for record in tail.take(6, within_s=60)} == {"T:DOUBLE", "T:LONG"}

    client.replace(stream("T:DOUBLE", topic), stream("T:ENUM", topic))
    client.wait_for_streams([stream("T:DOUBLE", topic), stream("T:ENUM", topic)])

    assert {record.source for record in tail.take(3)} == {"T:ENUM"}


def test_a_valid_stream_after_an_invalid_one_is_kept(client: ForwarderClient, topic: TopicHandle) -> None:
    good = [stream("T:DOUBLE", topic), stream("T:LONG", topic)]
    bad = [stream("", topic), stream("T:X", ""), stream("T:X", topic, schema=""), stream("T:X", topic, schema="zz99")]
    client.add(good[0], *bad, good[1])

    status = client.wait_for_streams(good)

    assert "refused" in status.details["last_error"]


def test_junk_on_the_command_topic_is_counted_and_survived(chain: Chain, client: ForwarderClient, topic: TopicHandle) -> None:
    before = chain.drops().get("not a command", 0)
    for _, payload in HOSTILE:
        if len(payload) < 900_000:
            client.send_raw(payload)
    client.add(stream("T:DOUBLE", topic))

    status = client.wait_for_streams([stream("T:DOUBLE", topic)], within_s=30)

    assert status.details["dropped"]["not a command"] - before == len([1 for _, payload in HOSTILE if len(payload) < 900_000])


def test_a_pv_that_is_nowhere_is_named_in_the_status(client: ForwarderClient, topic: TopicHandle) -> None:
    client.add(stream("T:DOUBLE", topic), stream("T:NOBODY", topic, CA), stream("T:NOBODY", topic, PVA))
    client.wait_for_streams([stream("T:DOUBLE", topic), stream("T:NOBODY", topic, CA), stream("T:NOBODY", topic, PVA)])
    topic.expect(source="T:DOUBLE", within_s=60)

    status = client.next_status(within_s=60)

    assert (status.details["connected"], status.details["not_connected"]) == (1, ["T:NOBODY", "T:NOBODY"])


def test_a_missing_topic_costs_its_own_stream_only_and_gets_the_newest_once_it_is_there(
    chain: Chain, client: ForwarderClient, topic: TopicHandle
) -> None:
    late = f"{topic.name}_late"
    client.add(stream("T:LONG", late), stream("T:DOUBLE", topic))

    topic.expect(source="T:DOUBLE", within_s=60)
    statuses = (client.next_status() for _ in range(100))
    told = next(status for status in statuses if status.details["unsent"] == 3)  # value, alarm and connection
    assert late in told.details["last_error"]
    chain.broker.create_topics(late)

    records = chain.broker.topic(late)
    records.expect(source="T:LONG", value=-70000, within_s=60)
    records.expect(source="T:LONG", value=Severity.OK, within_s=60)
    records.expect(source="T:LONG", value=ConnectionState.CONNECTED, within_s=60)


def test_the_error_says_what_is_missing_and_what_is_too_much(client: ForwarderClient, topic: TopicHandle) -> None:
    client.send(ForwarderCommand(change=ConfigChange.ADD, streams=(stream("T:DOUBLE", topic),)))

    with pytest.raises(WaitTimeout, match=r"lacks .*T:LONG.* and has .*T:DOUBLE"):
        client.wait_for_streams([stream("T:LONG", topic)], within_s=1.5)


@pytest.mark.parametrize("protocol", ["pva", "ca"])
def test_a_pv_that_no_ioc_has_is_named_with_what_is_near_and_never_forwarded(chain: Chain, topic: TopicHandle, protocol: str) -> None:
    with pytest.raises(PvMissing, match=r"PV 'T:DOUBEL' is not on ioc or other; did you mean T:DOUBLE"):
        chain.forwarder.forward("T:DOUBEL", to=topic, protocol=protocol, within_s=20)
    chain.forwarder.forward("T:DOUBLE.EGU", to=topic, protocol=protocol)
    chain.forwarder.forward("O:VOLT", to=topic, protocol=protocol)

    listed = {entry["channel_name"] for entry in chain.forwarder.client.next_status(within_s=60).details["streams"]}

    assert listed == {"T:DOUBLE.EGU", "O:VOLT"}
