import itertools
import time
from typing import Any

import numpy as np
import pytest

from testbeam.clients.topics import Tail, TopicHandle
from testbeam.model.forwarding import Protocol
from testbeam.model.samples import Alarm, ConnectionChange, ConnectionState, LogValue, Severity
from tests.integration.forwarder.chains import Chain, stream

BOTH = pytest.mark.parametrize("protocol", [Protocol.PVA, Protocol.CA], ids=["pva", "ca"])
PVA, CA = Protocol.PVA, Protocol.CA


@pytest.mark.parametrize(
    ("protocol", "name", "dtype", "value"),
    [
        (PVA, "DOUBLE", "f8", 1.5),
        (CA, "DOUBLE", "f8", 1.5),
        (PVA, "LONG", "i4", -70_000),
        (CA, "LONG", "i4", -70_000),
        (PVA, "ENUM", "i4", 1),
        (CA, "ENUM", "u2", 1),
        (PVA, "DOUBLES", "f8", [0.5, 1.5, 2.5]),
        (CA, "DOUBLES", "f8", [0.5, 1.5, 2.5]),
        (PVA, "SHORTS", "i2", [-1, 7]),
        (CA, "SHORTS", "i2", [-1, 7]),
        (PVA, "FLOATS", "f4", [0.25]),
        (CA, "FLOATS", "f4", [0.25]),
        (PVA, "INT64", "i8", 9_007_199_254_740_993),
        (CA, "INT64", "f8", 9_007_199_254_740_992.0),  # Channel Access has no 64-bit integers
    ],
)
def test_every_type_arrives_as_it_is_on_the_ioc(
    chain: Chain, topic: TopicHandle, protocol: Protocol, name: str, dtype: str, value: Any
) -> None:
    chain.forwarder.add(stream(f"T:{name}", topic, protocol))

    sent = topic.expect(source=f"T:{name}", where=lambda r: isinstance(r.value, LogValue), within_s=60).value.value

    assert sent.dtype == np.dtype(dtype)
    assert sent.tolist() == value


@BOTH
def test_a_message_has_the_pvs_name_as_key_and_the_time_of_the_ioc(chain: Chain, topic: TopicHandle, protocol: Protocol) -> None:
    chain.forwarder.add(stream("T:DOUBLE", topic, protocol))
    topic.expect(source="T:DOUBLE", within_s=60)
    chain.ioc().pv("T:DOUBLE").put(42.0)

    sent = topic.expect(source="T:DOUBLE", value=42.0)

    assert sent.key == b"T:DOUBLE"
    assert sent.value.timestamp_ns == chain.ioc().pv("T:DOUBLE").read().timestamp_ns
    assert sent.timestamp_ms == sent.value.timestamp_ns // 1_000_000
    chain.ioc().pv("T:DOUBLE").put(1.5)


@BOTH
def test_text_is_counted_and_its_alarm_and_connection_are_sent(chain: Chain, topic: TopicHandle, protocol: Protocol) -> None:
    before = chain.drops().get("f144 can't carry text", 0)
    chain.forwarder.add(stream("T:TEXT", topic, protocol))

    topic.expect(source="T:TEXT", value=Severity.OK, within_s=60)
    topic.expect(source="T:TEXT", value=ConnectionState.CONNECTED)

    assert chain.drops()["f144 can't carry text"] == before + 1
    assert [record for record in topic.messages() if isinstance(record.value, LogValue)] == []


@BOTH
def test_alarms_are_sent_when_they_change_and_only_then(chain: Chain, topic: TopicHandle, protocol: Protocol) -> None:
    pv = chain.ioc().pv("T:ALARMED")
    pv.put(1.0)
    chain.forwarder.add(stream("T:ALARMED", topic, protocol))
    topic.expect(source="T:ALARMED", value=1.0, within_s=60)
    for value in (2.0, 85.0, 86.0, 95.0, 96.0, 3.0, 4.0):
        pv.put(value)
        topic.expect(source="T:ALARMED", value=value)

    alarms = [(r.value.severity, r.value.message) for r in topic.messages() if isinstance(r.value, Alarm)]

    none = "NO_ALARM" if protocol is CA else ""
    assert [severity for severity, _ in alarms] == [Severity.OK, Severity.MINOR, Severity.MAJOR, Severity.OK]
    assert [message for _, message in alarms] == [none, "HIGH", "HIHI", none]


@BOTH
def test_a_record_that_was_never_processed_is_udf_and_connected_now(chain: Chain, topic: TopicHandle, protocol: Protocol) -> None:
    chain.forwarder.add(stream("T:NEVER", topic, protocol))

    alarm = topic.expect(source="T:NEVER", value=Severity.INVALID, within_s=60).value
    connection = topic.expect(source="T:NEVER", value=ConnectionState.CONNECTED).value

    assert alarm.message == "UDF"
    assert abs(connection.timestamp_ns / 1e9 - time.time()) < 60


@BOTH
def test_no_update_of_counting_records_is_missing_or_doubled(chain: Chain, topic: TopicHandle, tail: Tail, protocol: Protocol) -> None:
    names = [name for name in chain.ioc().records if name.startswith("T:COUNT-")]
    assert len(names) == 20
    chain.forwarder.add(*(stream(name, topic, protocol) for name in names))
    records = []
    end_s = time.monotonic() + 3.0
    while time.monotonic() < end_s:
        records += tail.read(0.1)

    for name in names:
        counts = [int(r.value.value) for r in records if isinstance(r.value, LogValue) and r.source == name]
        assert len(counts) >= 20
        assert counts == list(range(counts[0], counts[0] + len(counts)))


def test_one_pv_on_two_protocols_is_connected_twice(chain: Chain, topic: TopicHandle, tail: Tail) -> None:
    chain.forwarder.add(stream("T:LONG", topic, PVA), stream("T:LONG", topic, CA))

    sent = tail.take(6, within_s=60)

    assert len([r for r in sent if isinstance(r.value, ConnectionChange)]) == 2
    assert len([r for r in sent if isinstance(r.value, LogValue)]) == 2


def test_fake_pvs_need_no_ioc(chain: Chain, topic: TopicHandle, tail: Tail) -> None:
    chain.forwarder.add(stream("nowhere", topic, Protocol.FAKE))

    values = [float(r.value.value) for r in tail.take(4, within_s=60) if isinstance(r.value, LogValue)]

    assert len(set(values)) == len(values) >= 2


def test_a_silent_pv_that_asks_for_it_is_sent_again_with_the_same_payload(chain: Chain, topic: TopicHandle, tail: Tail) -> None:
    chain.forwarder.add(stream("T:LONG", topic, periodic=1), stream("T:ENUM", topic, periodic=0))

    first = tail.take(9, within_s=60)  # 3 messages of each stream, then 3 repeats
    repeats = [r for r in first if r.source == "T:LONG" and isinstance(r.value, LogValue)]

    assert len({r.payload for r in repeats}) == 1
    assert all(250 <= b.timestamp_ms - a.timestamp_ms <= 2_000 for a, b in itertools.pairwise(repeats[1:]))
    assert len([r for r in first if isinstance(r.value, Alarm)]) == 2
    assert len([r for r in first if r.source == "T:ENUM" and isinstance(r.value, LogValue)]) == 1
