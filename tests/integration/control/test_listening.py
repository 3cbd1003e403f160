"""Listening to topics for as long as a program lives: nothing sent after `listen` is missed, through an outage of the broker."""

from collections.abc import Callable

import pytest

from testbeam.clients.topics import TopicHandle
from testbeam.clients.waiting import wait_for_condition
from testbeam.errors import TopicMissing
from testbeam.kit.stack import Stack
from testbeam.stacks.roles.broker.declaration import BrokerHandle, broker
from testbeam.transport.kafka.client import Kafka
from testbeam.transport.kafka.listener import KafkaListener


def test_what_is_sent_after_listen_is_heard_in_order_by_each(kafka: Kafka, new_topic: Callable[..., TopicHandle]) -> None:
    one, two = new_topic("one"), new_topic("two", partitions=3)
    one.produce(b"before")
    first, second, idle = [], [], []
    listener = KafkaListener(kafka)
    try:
        listener.listen([one.name], lambda message: first.append(message.value()), lambda: idle.append(1))
        one.produce(b"1")

        def fails(message: object) -> None:
            second.append(message)
            raise ValueError("of a listener")

        listener.listen([one.name, two.name], fails)
        for number in range(20):
            one.produce(str(number).encode())
            two.produce(str(number).encode())
        wait_for_condition(lambda: len(first) == 21 and len(second) == 40, within_s=30)
        assert first == [b"1", *(str(number).encode() for number in range(20))]
        wait_for_condition(lambda: bool(idle), within_s=30)
    finally:
        listener.close()


def test_a_topic_that_is_not_there_is_named(kafka: Kafka) -> None:
    listener = KafkaListener(kafka)
    with pytest.raises(TopicMissing, match="nowhere"):
        listener.listen(["nowhere-at-all"], lambda _message: None)
    listener.close()


def test_a_broker_that_was_killed_costs_no_message() -> None:
    with Stack(broker(topics=("t",))).run() as run:
        handle = run["broker"]
        assert isinstance(handle, BrokerHandle)
        heard: list[bytes | None] = []
        listener = KafkaListener(handle.kafka)
        try:
            listener.listen(["t"], lambda message: heard.append(message.value()))
            handle.topic("t").produce(b"before")
            with handle.killed():
                pass
            handle.topic("t").produce(b"after")
            wait_for_condition(lambda: heard == [b"before", b"after"], within_s=60)
        finally:
            listener.close()
