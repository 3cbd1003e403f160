"""One contract for both producers by the block: ours on librdkafka, and confluent_kafka's in its place."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import KafkaError, KafkaException

from testbeam.clients.topics import TopicHandle
from testbeam.errors import TransportError
from testbeam.model.deadline import Deadline
from testbeam.model.message_rows import MessageRows
from testbeam.transport.kafka import batch_producer
from testbeam.transport.kafka.batch_producer import BatchProducer, OneByOne
from testbeam.transport.kafka.client import Kafka
from testbeam.wire.flatbuffers.schemas.log_value_f144 import F144Bank, F144Template
from tests.integration.conftest import NewTopic

NOW_MS = 1_800_000_000_123
NOWHERE = Kafka(bootstrap="127.0.0.1:1")
Make = Callable[..., Any]

native = pytest.mark.skipif(not batch_producer.LIBRARY.exists(), reason="there is no native library for this platform")


@pytest.fixture(params=[pytest.param(BatchProducer, marks=native), OneByOne])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Return what makes producers; what they give up is in `failures`."""
    made: list[Any] = []

    def one(kafka: Kafka, **options: Any) -> Any:
        failures: list[tuple[Any, Any]] = []
        producer = request.param(kafka.producer_config(**options), lambda error, message: failures.append((error, message)))
        made.append(producer)
        producer.failures = failures
        return producer

    yield one
    for producer in made:
        producer.close()


def rows(count: int) -> MessageRows:
    bank = F144Bank([F144Template("A", "f8")])
    payloads = bank.fill_rows(np.zeros(count, np.intp), np.arange(count) / 2, np.arange(count, dtype=np.int64))
    return MessageRows(payloads=payloads, key_at=bank.name_at, timestamps_ms=NOW_MS + np.arange(count))


def poll_until(producer: Any, count: int) -> None:
    """Let the producer report until so many messages were given up; other events may end a single poll."""
    deadline = Deadline(20)
    while len(producer.failures) < count and not deadline.passed:
        producer.poll(0.1)


def test_a_block_arrives_in_order_with_keys_and_times(make: Make, kafka: Kafka, new_topic: NewTopic) -> None:
    topic: TopicHandle = new_topic()
    producer = make(kafka)

    assert producer.produce_rows(topic.name, rows(1000)) == (1000, None)
    assert producer.flush(20) == 0
    found = topic.messages()

    assert [one.key for one in found] == [b"A"] * 1000
    assert [one.timestamp_ms for one in found] == [NOW_MS + n for n in range(1000)]
    assert [float(one.value.value) for one in found] == [n / 2 for n in range(1000)]
    assert producer.failures == []


def test_single_messages_and_blocks_keep_their_order(make: Make, kafka: Kafka, new_topic: NewTopic) -> None:
    topic: TopicHandle = new_topic()
    producer = make(kafka)
    producer.produce(topic.name, b"\0\0\0\0\0\0\0\0first \0 of all", b"k\0", -1, None, None, NOW_MS)
    producer.produce_rows(topic.name, rows(3))
    producer.produce(topic.name, b"", b"", -1, None, None, NOW_MS + 3)
    producer.flush(20)

    found = topic.messages()
    assert [(one.key, len(one.payload)) for one in found] == [(b"k\0", 22), (b"A", 72), (b"A", 72), (b"A", 72), (b"", 0)]
    assert found[0].payload.endswith(b"first \0 of all")


def test_a_queue_that_is_full_takes_what_it_has_room_for(make: Make) -> None:
    producer = make(NOWHERE, queue_buffering_max_messages=10)

    count, error = producer.produce_rows("t", rows(25))
    assert (count, error.code()) == (10, KafkaError._QUEUE_FULL)
    assert len(producer) >= 10
    with pytest.raises(BufferError):
        producer.produce("t", b"v", b"k", -1, None, None, NOW_MS)


def test_what_is_given_up_is_told_with_topic_key_and_payload(make: Make) -> None:
    producer = make(NOWHERE, message_timeout_ms=50)
    block = rows(3)
    producer.produce_rows("t", block)
    producer.produce("t", b"v", b"k", -1, None, None, NOW_MS)
    poll_until(producer, 4)

    told = [(error.code(), message.topic(), message.key(), message.value()) for error, message in producer.failures]
    timed_out = KafkaError._MSG_TIMED_OUT
    assert told == [*((timed_out, "t", key, payload) for key, payload, _ in block.messages()), (timed_out, "t", b"k", b"v")]
    assert not producer.failures[0][0].fatal()


def test_one_that_is_too_large_is_refused_at_once(make: Make) -> None:
    producer = make(NOWHERE, message_max_bytes=1000)

    with pytest.raises(KafkaException) as refused:
        producer.produce("t", bytes(2000), b"k", -1, None, None, NOW_MS)
    assert refused.value.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE


def test_what_waits_is_given_up_by_a_purge(make: Make) -> None:
    producer = make(NOWHERE)
    producer.produce_rows("t", rows(5))
    producer.purge()
    poll_until(producer, 5)

    assert len(producer.failures) == 5


@native
def test_after_its_end_it_takes_nothing_and_ends_twice() -> None:
    producer = BatchProducer(NOWHERE.producer_config(), lambda _error, _message: None)
    producer.produce_rows("t", rows(2))
    producer.close()
    producer.close()

    assert (len(producer), producer.poll(0), producer.flush(0)) == (0, 0, 0)
    for use in (lambda: producer.produce("t", b"v", b"k", -1, None, None, 0), lambda: producer.produce_rows("t", rows(1))):
        with pytest.raises(ValueError, match="closed"):
            use()


@native
def test_a_wrong_option_is_named() -> None:
    with pytest.raises(TransportError, match=r"sasl\.mechanisn"):
        BatchProducer({"sasl.mechanisn": "PLAIN"}, lambda _error, _message: None)


@native
def test_the_cluster_chooses_by_what_is_there_and_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    made = NOWHERE.batch_producer(lambda _error, _message: None)
    assert isinstance(made, BatchProducer)
    made.close()
    assert caplog.messages == []

    monkeypatch.setattr(batch_producer, "LIBRARY", tmp_path / "none.so")
    monkeypatch.setattr(batch_producer, "_libraries", batch_producer._libraries.__wrapped__)  # looks again
    assert isinstance(NOWHERE.batch_producer(lambda _error, _message: None), OneByOne)
    monkeypatch.undo()
    special = Kafka(bootstrap=NOWHERE.bootstrap, options={"error_cb": lambda _error: None})
    assert isinstance(special.batch_producer(lambda _error, _message: None), OneByOne)

    one_by_one = "messages go to Kafka one by one, at twice the cost each"
    assert caplog.messages == [
        f"{one_by_one}: {tmp_path}/none.so is missing",
        f"{one_by_one}: error_cb is an option that only Python can hold",
    ]
