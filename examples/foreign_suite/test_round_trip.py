"""A suite as a facility's project has it: the broker's address is built in, and nothing of testbeam is imported."""

import uuid
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Producer

BROKER = "localhost:9092"
TOPIC = "round_trip"


@pytest.fixture
def consumer() -> Iterator[Consumer]:
    client = Consumer({"bootstrap.servers": BROKER, "group.id": "round-trip", "auto.offset.reset": "earliest"})
    client.subscribe([TOPIC])
    yield client
    client.close()


def test_what_is_sent_is_all_that_comes_back(consumer: Consumer) -> None:
    words = [uuid.uuid4().bytes for _ in range(3)]
    producer = Producer({"bootstrap.servers": BROKER})
    for word in words:
        producer.produce(TOPIC, word)
    assert producer.flush(30) == 0

    came: list[bytes] = []
    for _ in range(300):
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            came.append(message.value() or b"")
        if len(came) >= len(words):
            break

    assert came == words  # of another suite on the same broker there would be more
