"""What the tests that break a chain hold in hand: our services behind a link that can be broken, and a count without gaps."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from testbeam.clients.topics import TopicHandle
from testbeam.clients.waiting import wait_for_condition
from testbeam.kit.run import Run
from testbeam.kit.stack import Stack
from testbeam.stacks.roles.broker.declaration import BrokerHandle, broker
from testbeam.stacks.roles.event_source.declaration import event_source
from testbeam.stacks.roles.filewriter.declaration import FileWriterHandle, filewriter
from testbeam.stacks.roles.forwarder.declaration import ForwarderHandle, forwarder
from testbeam.stacks.topics import Topics
from testbeam.transport.kafka.client import Kafka

TOPICS = Topics()
PROXIED = "proxied"


def faultable_chain() -> Stack:
    """Return a broker, and a forwarder of random values, a file-writer and an event source that reach it by a link to be broken."""
    return Stack(
        broker(topics=TOPICS.all, faultable=True),
        forwarder(iocs=(), broker_endpoint=PROXIED, ini={"fake-pv-period": 50, "status-interval": 300}),
        filewriter(broker_endpoint=PROXIED, time_after_stop_s=0.3, status_interval_s=0.3, flush_interval_s=0.2),
        event_source(broker_endpoint=PROXIED, events_per_pulse=100, monitor_events_per_pulse=10),
    )


@dataclass
class Chain:
    """A running chain."""

    run: Run

    @property
    def broker(self) -> BrokerHandle:
        return cast(BrokerHandle, self.run["broker"])

    @property
    def forwarder(self) -> ForwarderHandle:
        return cast(ForwarderHandle, self.run["forwarder"])

    @property
    def writer(self) -> FileWriterHandle:
        return cast(FileWriterHandle, self.run["filewriter"])

    def new_topic(self, name: str) -> TopicHandle:
        self.broker.create_topics(name)
        return self.broker.topic(name)


@dataclass
class Counting:
    """Sends 0, 1, 2 … to a topic through the link that can be broken; `acknowledged` is what Kafka has said that it has."""

    topic: TopicHandle
    acknowledged: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    sent: int = 0

    def on_topic(self) -> list[int]:
        return [int(record.payload) for record in self.topic.messages()]

    def note(self, error: Any, message: Any) -> None:
        if error is None:
            self.acknowledged.append(int(message.value()))
        else:
            self.refused.append(error.str())


@contextmanager
def counting(chain: Chain, name: str, every_s: float = 0.005) -> Iterator[Counting]:
    """Count during the block; at its end everything is acknowledged, or the test fails."""
    count, stop = Counting(chain.new_topic(name)), threading.Event()
    producer = Kafka(bootstrap=chain.broker.endpoints[PROXIED]).producer()

    def work() -> None:
        while not stop.wait(every_s):
            producer.produce(name, b"%d" % count.sent, on_delivery=count.note)
            count.sent += 1
            producer.poll(0)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield count
    finally:
        stop.set()
        thread.join()
        left = producer.flush(30)
    assert left == 0


def growing(topic: TopicHandle, within_s: float = 20.0) -> None:
    """Wait until something new comes to a topic."""
    before = topic.count()
    wait_for_condition(lambda: topic.count() != before, within_s=within_s, what=f"something more on {topic.name}")
