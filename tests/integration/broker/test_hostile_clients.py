"""A broker that is asked for more memory than it has goes on serving everybody else."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from testbeam.clients.topics import TopicHandle
from testbeam.kit.stack import Stack
from testbeam.stacks.roles.broker.declaration import BrokerHandle, broker

NewTopic = Callable[..., TopicHandle]
_LARGEST_REQUEST = b"\x06\x3f\xff\xff"  # a length just below socket.request.max.bytes, for which room is made before anything follows
_LARGE = 90_000_000


@pytest.fixture(scope="module")
def own_broker() -> Iterator[BrokerHandle]:
    with Stack(broker(topics=("data",))).run() as run:
        handle = run["broker"]
        assert isinstance(handle, BrokerHandle)
        yield handle


def connected(bootstrap: str) -> socket.socket:
    host, _, port = bootstrap.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def test_connections_that_announce_the_largest_request_and_stay_block_nobody(own_broker: BrokerHandle) -> None:
    with closing(connected(own_broker.bootstrap)) as first, closing(connected(own_broker.bootstrap)) as second:
        for one in (first, second):
            one.sendall(_LARGEST_REQUEST)

        own_broker.topic("data").produce(b"still here", within_s=30)

        assert own_broker.is_running()


def test_three_producers_of_the_largest_messages_are_served(own_broker: BrokerHandle) -> None:
    topic = own_broker.topic("data")
    payload = bytes(_LARGE)
    before = topic.count()
    producers = [own_broker.kafka.producer(linger_ms=0) for _ in range(3)]
    for producer in producers:
        producer.produce("data", payload)
    deadline_s = time.monotonic() + 100
    while any(len(producer) for producer in producers) and time.monotonic() < deadline_s:
        for producer in producers:
            producer.poll(0.05)

    assert [len(producer) for producer in producers] == [0, 0, 0]
    assert topic.count() == before + 3
    assert own_broker.is_running()


def test_a_message_from_a_clock_far_ahead_is_taken(shared_broker: BrokerHandle, new_topic: NewTopic) -> None:
    topic, in_a_year_ms = new_topic(), int((time.time() + 365 * 86_400) * 1000)

    topic.produce(b"early", timestamp_ms=in_a_year_ms)

    (record,) = topic.messages()
    assert record.timestamp_ms == in_a_year_ms
