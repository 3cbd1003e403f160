"""Commands: what is added, removed and replaced, and that nothing else happens."""

import json
from typing import Any

import pytest

from testbeam.model.forwarding import ConfigChange, ForwarderCommand, StreamSpec
from testbeam.suites.forwarder.chain import PREFIX, WITHIN_S, Chain, alarms, stream, values, wait_for
from testbeam.wire.flatbuffers.schemas.forwarder_command_rf5k import encode_rf5k

JUNK = {
    "nothing": b"",
    "text": b"REMOVEALL please",
    "JSON": b'{"cmd": "blow up"}',
    "JSON that is cut off": b'{"cmd": "stop_all"',
    "an fc00 without a body": b"\x08\0\0\0fc00",
    "zeros": bytes(64),
    "an fc00 of ones": b"\x08\0\0\0fc00" + b"\xff" * 400,
}


def test_a_status_lists_exactly_what_was_added_one_pv_by_two_protocols_included(chain: Chain) -> None:
    topic = chain.topic()
    streams = [stream("LONG", topic, "pva"), stream("LONG", topic, "ca"), stream("DOUBLE", topic)]
    chain.client.add(*streams)

    chain.client.wait_for_streams(streams, WITHIN_S)


def test_a_hundred_commands_at_once_are_all_done(chain: Chain) -> None:
    topic = chain.topic()
    streams = [stream(f"N:{n}", topic) for n in range(100)]
    for one in streams:
        chain.client.add(one)

    chain.client.wait_for_streams(streams, WITHIN_S)


def test_all_are_removed_at_once(chain: Chain) -> None:
    topic = chain.topic()
    chain.add(stream("LONG", topic), stream("DOUBLE", topic, "ca"))
    chain.client.remove_all()

    chain.client.wait_for_streams([], WITHIN_S)


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ({"channel": "N:A1"}, ["N:A2", "N:B1"]),
        ({"channel": "N:A*"}, ["N:B1"]),
        ({"channel": "N:?1"}, ["N:A2"]),
        ({"topic": "first"}, ["N:B1"]),
        ({"schema": "f142"}, ["N:A1", "N:B1"]),
        ({"channel": "N:*", "topic": "first", "schema": "f144"}, ["N:A2", "N:B1"]),
        ({"channel": "N:*1", "topic": "second"}, ["N:A1", "N:A2"]),
        ({"topic": "first", "schema": "f142"}, ["N:A1", "N:B1"]),
        ({"channel": "N:C*"}, ["N:A1", "N:A2", "N:B1"]),
    ],
)
def test_streams_are_removed_by_what_fits_all_fields(chain: Chain, pattern: dict[str, str], left: list[str]) -> None:
    topics = {"first": chain.topic(), "second": chain.topic()}
    streams = [
        stream("N:A1", topics["first"]),
        stream("N:A2", topics["first"], schema="f142"),
        stream("N:B1", topics["second"], "ca"),
    ]
    chain.add(*streams)
    fields: dict[str, Any] = {**pattern, "topic": topics[pattern["topic"]].name if "topic" in pattern else ""}
    chain.client.remove(**fields)
    chain.client.add(marker := stream("N:MARKER", topics["first"]))

    chain.client.wait_for_streams([one for one in streams if one.channel in left] + [marker], WITHIN_S)


def test_a_removal_of_everything_by_empty_fields_is_refused(chain: Chain) -> None:
    topic = chain.topic()
    chain.add(stream("N:A", topic))
    chain.client.remove("")
    chain.client.add(stream("N:B", topic))

    chain.client.wait_for_streams([stream("N:A", topic), stream("N:B", topic)], WITHIN_S)


@pytest.mark.parametrize("junk", JUNK)
def test_junk_on_the_command_topic_changes_nothing(chain: Chain, junk: str) -> None:
    topic = chain.topic()
    chain.add(stream("N:A", topic))
    chain.client.send_raw(JUNK[junk])
    chain.client.add(stream("N:B", topic))

    chain.client.wait_for_streams([stream("N:A", topic), stream("N:B", topic)], WITHIN_S)


@pytest.mark.parametrize("wrong", [{"schema": "nope"}, {"schema": ""}, {"topic": ""}, {"channel": ""}], ids=str)
def test_a_valid_stream_after_a_wrong_one_counts(chain: Chain, wrong: dict[str, str]) -> None:
    topic = chain.topic()
    good = stream("N:GOOD", topic)
    fields: dict[str, Any] = {"channel": "N:BAD", "schema": "f144", "topic": topic.name} | wrong
    bad = StreamSpec(**fields)
    chain.client.add(bad, good)

    chain.client.wait_for_streams([good], WITHIN_S)


def test_replace_leaves_exactly_what_it_names(chain: Chain) -> None:
    topic = chain.topic()
    chain.add(stream("N:A", topic), stream("N:B", topic))
    chain.client.replace(stream("N:B", topic), stream("N:C", topic))

    chain.client.wait_for_streams([stream("N:B", topic), stream("N:C", topic)], WITHIN_S)


def test_replace_repeats_no_value_and_no_alarm_of_what_goes_on(chain: Chain) -> None:
    topic = chain.topic()
    chain.add(stream("DOUBLE", topic))
    wait_for(lambda: values(topic) and alarms(topic), "value and alarm")
    before = len(topic.messages())
    chain.client.replace(stream("DOUBLE", topic), stream("LONG", topic))
    wait_for(lambda: values(topic, f"{PREFIX}LONG"), "the value of the new stream")

    assert len(values(topic, f"{PREFIX}DOUBLE")) == 1
    assert len([one for one in topic.messages()[before:] if one.source == f"{PREFIX}DOUBLE"]) == 0


def test_a_pv_that_does_not_change_is_repeated_where_a_stream_asks_and_its_alarm_is_not(chain: Chain) -> None:
    topic = chain.topic()
    chain.add(stream("IDLE", topic, periodic=1))

    found = wait_for(lambda: len(values(topic)) >= 3 and values(topic), "three values")
    assert {float(one.value.value) for one in found} == {7.0}
    assert len({one.value.timestamp_ns for one in found}) == 1
    assert found[0].timestamp_ms < found[1].timestamp_ms < found[2].timestamp_ms
    if chain.is_ours:
        assert len(alarms(topic)) == 1


def test_replace_with_periodic_off_ends_the_repeats(chain: Chain) -> None:
    topic = chain.topic()
    chain.add(stream("IDLE", topic, periodic=1))
    wait_for(lambda: len(values(topic)) >= 2, "a repeat")
    chain.client.replace(stream("IDLE", topic, periodic=0))
    chain.client.add(stream("DOUBLE", topic, periodic=1))
    chain.client.wait_for_listed([stream("DOUBLE", topic)], WITHIN_S)
    count = len(values(topic, f"{PREFIX}IDLE"))
    wait_for(lambda: len(values(topic, f"{PREFIX}DOUBLE")) >= 3, "two repeats of another stream")

    assert len(values(topic, f"{PREFIX}IDLE")) <= count + 1


def test_the_older_command_form_rf5k_is_taken(chain: Chain) -> None:
    topic = chain.topic()
    chain.client.send_raw(encode_rf5k(ForwarderCommand(change=ConfigChange.ADD, streams=(stream("N:OLD", topic),))))

    chain.client.wait_for_streams([stream("N:OLD", topic)], WITHIN_S)


def test_json_commands_of_the_first_forwarder_are_taken(chain: Chain) -> None:
    topic = chain.topic()
    streams = [
        {"channel": f"N:{name}", "channel_provider_type": "ca", "converter": {"schema": "f142", "topic": topic.name}} for name in "AB"
    ]
    chain.client.send_raw(json.dumps({"cmd": "add", "streams": streams}).encode())
    chain.client.wait_for_streams([stream(f"N:{name}", topic, "ca", "f142") for name in "AB"], WITHIN_S)
    chain.client.send_raw(json.dumps({"cmd": "stop_channel", "channel": "N:A"}).encode())
    chain.client.wait_for_streams([stream("N:B", topic, "ca", "f142")], WITHIN_S)
    chain.client.send_raw(b'{"cmd": "stop_all"}')

    chain.client.wait_for_streams([], WITHIN_S)


def test_pv_names_with_odd_characters_hold_up_no_other(chain: Chain) -> None:
    topic = chain.topic()
    odd = ["A B", "ü:µ", "N:" + "x" * 400, "$(P)X", "N:[1]", "\x1b[31mred", "a\nb"]
    chain.client.add(*(StreamSpec(channel=name, schema="f144", topic=topic.name) for name in odd), stream("DOUBLE", topic))

    wait_for(lambda: values(topic, f"{PREFIX}DOUBLE"), "the value of the plain one")
