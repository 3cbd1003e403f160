import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from testbeam.clients.topics import TopicHandle
from testbeam.errors import TopicMissing, TransportError, WaitTimeout
from testbeam.model.samples import Alarm, ConnectionChange, ConnectionState, LogValue, Severity
from testbeam.stacks.roles.broker.declaration import BrokerHandle, TopicSpec

NewTopic = Callable[..., TopicHandle]


def log(source: str, value: float, timestamp_ns: int = 1) -> LogValue:
    return LogValue(source_name=source, value=np.float64(value), timestamp_ns=timestamp_ns)


def test_what_is_produced_comes_back_with_key_time_and_offset(new_topic: NewTopic) -> None:
    topic = new_topic()

    assert topic.produce(b"payload", key="key", timestamp_ms=1234) == 0
    (record,) = topic.messages()

    assert (record.payload, record.key, record.timestamp_ms, record.offset) == (b"payload", b"key", 1234, 0)
    assert record.problem


def test_messages_of_all_partitions_come_in_the_order_of_their_time(new_topic: NewTopic) -> None:
    topic = new_topic(partitions=3)
    for number in range(12):
        topic.produce(f"{number}", key=f"{number}", timestamp_ms=1000 + number)

    assert [record.payload for record in topic.messages()] == [b"%d" % number for number in range(12)]
    assert len({record.partition for record in topic.messages()}) > 1
    assert topic.count() == 12
    assert sum(high - low for low, high in topic.watermarks().values()) == 12


def test_reading_may_begin_at_a_time_or_at_a_mark(new_topic: NewTopic) -> None:
    topic = new_topic()
    topic.produce("old", timestamp_ms=1000)
    mark = topic.mark()
    topic.produce("new", timestamp_ms=2000)

    assert [record.payload for record in topic.messages(since=1500)] == [b"new"]
    assert [record.payload for record in topic.messages(since=mark)] == [b"new"]
    assert topic.messages(since=3000) == []


def test_an_empty_topic_has_no_messages_and_says_so_at_once(new_topic: NewTopic) -> None:
    topic = new_topic()

    assert (topic.messages(), topic.count()) == ([], 0)


def test_expect_finds_what_is_there_and_what_is_to_come(new_topic: NewTopic) -> None:
    topic = new_topic()
    topic.produce(log("VOLT", 41))
    topic.produce(log("CURR", 42))
    topic.produce(log("VOLT", 42))
    topic.produce(Alarm(source_name="VOLT", timestamp_ns=2, severity=Severity.MAJOR, message="HIHI"))

    assert topic.expect(source="VOLT", value=42).offset == 2
    assert topic.expect(source="VOLT", value=Severity.MAJOR).offset == 3
    assert topic.expect(where=lambda record: record.source == "CURR").offset == 1


def test_expect_says_what_it_saw_instead(new_topic: NewTopic) -> None:
    topic = new_topic()
    topic.produce(log("VOLT-RB", 41))

    with pytest.raises(WaitTimeout, match=r"of source 'VOLT-RB' with value 42 within 0\.2 s; 1 others.*1 of this source.*value=41"):
        topic.expect(source="VOLT-RB", value=42, within_s=0.2)
    with pytest.raises(WaitTimeout, match=r"of source 'VOLT'.*of sources VOLT-RB"):
        topic.expect(source="VOLT", within_s=0.2)


def test_a_mark_keeps_expect_from_finding_what_was_there_before(new_topic: NewTopic) -> None:
    topic = new_topic()
    topic.produce(log("VOLT", 42))

    with pytest.raises(WaitTimeout, match="no message was seen"):
        topic.expect(source="VOLT", since=topic.mark(), within_s=0.2)


def test_a_tail_sees_each_message_that_comes_after_it_exactly_once(new_topic: NewTopic) -> None:
    topic = new_topic()
    topic.produce("before")

    with topic.tail() as tail:
        for number in range(5):
            topic.produce(f"{number}")
        assert [record.payload for record in tail.take(5)] == [b"0", b"1", b"2", b"3", b"4"]
        assert tail.read(within_s=0.1) == []
        with pytest.raises(WaitTimeout, match="0 of 1 messages"):
            tail.take(1, within_s=0.1)


def test_a_typo_in_a_topic_fails_at_once_and_names_what_is_near(shared_broker: BrokerHandle) -> None:
    shared_broker.create_topics("typo_detector")
    began_s = time.monotonic()

    with pytest.raises(TopicMissing, match=r"typo_detektor.*did you mean typo_detector"):
        shared_broker.topic("typo_detektor")

    assert time.monotonic() - began_s < 5
    assert "typo_detektor" not in shared_broker.topics()


def test_a_topic_is_made_with_its_partitions_and_configuration(shared_broker: BrokerHandle) -> None:
    shared_broker.create_topics(TopicSpec("made_in_full", partitions=2, config={"cleanup.policy": "compact"}))

    assert set(shared_broker.topic("made_in_full").watermarks()) == {0, 1}


def test_a_topic_that_is_there_already_is_left_as_it_is(new_topic: NewTopic, shared_broker: BrokerHandle) -> None:
    topic = new_topic()
    topic.produce("kept")

    shared_broker.create_topics(topic.name)

    assert topic.count() == 1


def test_the_broker_says_why_it_refuses_a_topic(shared_broker: BrokerHandle) -> None:
    with pytest.raises(TransportError, match=r"'a b' was not created.*Topic name is invalid"):
        shared_broker.create_topics("a b")


def test_a_message_of_ninety_megabytes_passes(new_topic: NewTopic) -> None:
    topic = new_topic()

    topic.produce(bytes(90_000_000))

    assert topic.count() == 1


def test_messages_are_those_that_are_there_when_it_is_called_although_more_keep_coming(new_topic: NewTopic) -> None:
    topic = new_topic(partitions=4)
    for number in range(40):
        topic.produce(f"{number}", key=f"{number}")
    stop = threading.Event()

    def keep_sending() -> None:
        sender = topic._topics.kafka.producer(linger_ms=0)
        while not stop.is_set():
            for partition in range(4):
                sender.produce(topic.name, b"later", partition=partition)
            sender.flush(60)

    sending = threading.Thread(target=keep_sending)
    sending.start()
    try:
        end = topic.mark()
        while topic.mark() == end:
            pass  # it is being written to
        before = topic.mark()
        found = topic.messages(within_s=30)
        after = topic.mark()
    finally:
        stop.set()
        sending.join()

    assert {record.payload for record in found if record.payload != b"later"} == {b"%d" % number for number in range(40)}
    for partition in range(4):
        count = sum(record.partition == partition for record in found)
        assert before.offsets[partition] <= count <= after.offsets[partition]


def test_where_is_asked_of_values_unless_a_schema_is_named(new_topic: NewTopic) -> None:
    topic = new_topic()
    topic.produce(Alarm(source_name="VOLT", timestamp_ns=2, severity=Severity.MAJOR, message="HIHI"))
    topic.produce(ConnectionChange(source_name="VOLT", timestamp_ns=2, state=ConnectionState.CONNECTED, service_id="f"))
    topic.produce(log("VOLT", 3))

    assert topic.expect(where=lambda record: record.value.value > 1).offset == 2
    assert topic.expect(schema="al00", where=lambda record: record.value.message == "HIHI").offset == 0
    assert topic.expect(schema="ep01").offset == 1
    with pytest.raises(AttributeError) as caught:
        topic.expect(schema="al00", where=lambda record: record.value.value > 1)
    assert "where(record) was asked of Alarm(" in caught.value.__notes__[0]
    with pytest.raises(WaitTimeout, match="no message of schema f142"):
        topic.expect(schema="f142", within_s=0.2)
