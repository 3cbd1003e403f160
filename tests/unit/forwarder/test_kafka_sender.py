"""Nothing that is the newest of a stream is given up, whatever Kafka does; what a newer one replaced is counted."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from confluent_kafka import KafkaError, KafkaException

from testbeam.model.message_rows import MessageRows
from testbeam.model.samples import ConnectionState, Severity
from testbeam.model.updates import Form, UpdateBatch, ValueColumns
from testbeam.services.forwarder.kafka_sender import QUEUE_FULL, KafkaSender
from tests.unit.forwarder.forwarding import NOW, Forwarding, alarms, connections, spec, values

TIMED_OUT, NO_TOPIC, TOO_LARGE = KafkaError._MSG_TIMED_OUT, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.MSG_SIZE_TOO_LARGE


@dataclass
class Queued:
    """A message in the producer's queue, as delivery reports have it."""

    name: str
    raw: bytes
    by: bytes

    def topic(self) -> str:
        return self.name

    def value(self) -> bytes:
        return self.raw

    def key(self) -> bytes:
        return self.by


@dataclass
class Broker:
    """A producer with room for some messages, which `deliver` acknowledges or gives up; topics may be missing."""

    room: int = 1000
    missing: set[str] = field(default_factory=set)
    refusal: int = NO_TOPIC  # of messages to a missing topic
    queue: list[Queued] = field(default_factory=list)
    arrived: list[Queued] = field(default_factory=list)
    on_failure: Callable[[Any, Any], None] = lambda _error, _message: None
    opened: int = 0

    def open(self, on_failure: Callable[[Any, Any], None]) -> "Broker":
        self.on_failure = on_failure
        self.opened += 1
        return self

    def produce(self, topic: str, value: bytes, key: bytes, partition: int, _a: None, _b: None, timestamp: int, /) -> None:
        assert (partition, timestamp) == (-1, NOW // 1_000_000)
        if topic in self.missing:
            raise KafkaException(KafkaError(self.refusal))
        if len(self.queue) >= self.room:
            raise BufferError
        self.queue.append(Queued(topic, value, key))

    def produce_rows(self, topic: str, rows: MessageRows, /) -> tuple[int, KafkaError | None]:
        for n, (key, payload, timestamp_ms) in enumerate(rows.messages()):
            try:
                self.produce(topic, payload, key, -1, None, None, timestamp_ms)
            except BufferError:
                return n, KafkaError(KafkaError._QUEUE_FULL)
            except KafkaException as error:
                return n, error.args[0]
        return len(rows), None

    def poll(self, _timeout: float, /) -> int:
        return 0

    def purge(self) -> None:
        pass

    def close(self) -> None:
        pass

    def flush(self, _timeout: float, /) -> int:
        self.deliver()
        return 0

    def __len__(self) -> int:
        return len(self.queue)

    def deliver(self, error: int | None = None) -> None:
        queue, self.queue = self.queue, []
        for message in queue:
            if error is None:
                self.arrived.append(message)
            else:
                self.on_failure(KafkaError(error), message)


@dataclass
class Chain:
    """A core and its sender."""

    broker: Broker = field(default_factory=Broker)

    def __post_init__(self) -> None:
        self.forwarding = Forwarding()
        self.a, self.b = self.forwarding.add(spec("A"), spec("B", topic="other"))
        self.sender = KafkaSender(self.broker.open, self.forwarding.streams, self.forwarding.drops, self.forwarding.problems)
        self.now_s = 0.0

    def send(self, *batches: Any) -> None:
        for batch in batches:
            self.forwarding.core.take(batch, NOW)
        self.sender.send(self.forwarding.streams.outgoing(), self.now_s)

    def arrived(self) -> list[Any]:
        from testbeam.wire.flatbuffers.registry import decode

        return [decode(message.raw) for message in self.broker.arrived]

    def values(self, name: str = "A") -> list[float]:
        return [float(message.value) for message in self.arrived() if message.source_name == name and hasattr(message, "value")]

    def drops(self) -> dict[str, int]:
        return dict(self.forwarding.drops.counts)


@pytest.fixture
def chain() -> Chain:
    return Chain()


def test_messages_go_out_in_order(chain: Chain) -> None:
    chain.send(values(chain.a, (1.0, NOW), (2.0, NOW)), values(chain.b, (3.0, NOW)))
    chain.broker.deliver()

    assert (chain.values(), chain.values("B"), chain.drops()) == ([1.0, 2.0], [3.0], {})


def test_what_finds_the_queue_full_is_sent_once_there_is_room_and_only_what_was_replaced_is_lost(chain: Chain) -> None:
    chain.broker.room = 1
    chain.send(values(chain.a, *((float(n), NOW) for n in range(5))), values(chain.b, (7.0, NOW)))
    chain.broker.deliver()
    chain.broker.room = 1000
    chain.send()
    chain.broker.deliver()

    assert (chain.values(), chain.values("B")) == ([0.0, 4.0], [7.0])
    assert chain.drops() == {QUEUE_FULL: 3}
    assert chain.sender.waiting == 0


def test_a_newer_value_that_is_queued_stands_in_for_one_that_waits(chain: Chain) -> None:
    chain.broker.room = 0
    chain.send(values(chain.a, (1.0, NOW)), values(chain.b, (1.0, NOW)))
    chain.send(values(chain.a, (2.0, NOW)))
    chain.broker.room = 1000
    chain.now_s = -1.0  # not yet time to send again
    chain.send(values(chain.a, (3.0, NOW)))
    chain.broker.deliver()

    assert chain.values() == [3.0]
    assert chain.drops() == {QUEUE_FULL: 2}


def test_one_that_waits_when_a_newer_one_comes_is_counted_and_the_newer_one_is_sent_once(chain: Chain) -> None:
    chain.broker.room = 0
    chain.send(values(chain.a, (1.0, NOW)), alarms(chain.a, (Severity.MINOR, "HIGH", NOW)))
    chain.broker.room = 1000
    chain.now_s += 1.0  # time to send again
    chain.send(values(chain.a, (2.0, NOW)), alarms(chain.a, (Severity.MAJOR, "HIHI", NOW)))
    chain.broker.deliver()

    assert len(chain.arrived()) == 2
    assert (chain.values(), chain.drops(), chain.sender.waiting) == ([2.0], {QUEUE_FULL: 2}, 0)


@pytest.mark.parametrize(("error", "sent", "reason"), [(NO_TOPIC, [2.0], ""), (TOO_LARGE, [], "not delivered: ")])
def test_one_that_waits_when_a_newer_one_is_refused_is_counted_too(chain: Chain, error: int, sent: list[float], reason: str) -> None:
    chain.broker.room = 0
    chain.send(values(chain.a, (1.0, NOW)))
    chain.broker.room, chain.broker.missing, chain.broker.refusal = 1000, {"data"}, error
    chain.now_s += 1.0
    chain.send(values(chain.a, (2.0, NOW)))
    chain.broker.missing = set()
    chain.now_s += 1.0
    chain.send()
    chain.broker.deliver()

    told = {QUEUE_FULL: 1} | ({f"{reason}{KafkaError(error).str()}": 1} if reason else {})
    assert (chain.values(), chain.drops(), chain.sender.waiting) == (sent, told, 0)


def block(number: int, first: int, count: int) -> UpdateBatch:
    """Return values that go to the producer by the block, once their stream is known."""
    numbers = np.arange(first, first + count)
    column = ValueColumns(
        form=Form.SCALAR, dtype="f8", stream=np.full(count, number), value=numbers.astype("f8"), timestamp_ns=np.full(count, NOW)
    )
    return UpdateBatch(values=(column,))


@pytest.mark.parametrize("room", [0, 1, 3, 4, 99, 1000])
def test_of_a_block_that_finds_no_room_the_newest_is_sent_later_and_the_others_are_counted(chain: Chain, room: int) -> None:
    chain.send(values(chain.a, (0.0, NOW)))
    chain.broker.deliver()
    chain.broker.room = room
    chain.send(block(chain.a, 1, 100))
    chain.broker.deliver()
    chain.broker.room = 1000
    chain.now_s += 1.0
    chain.send(block(chain.a, 101, 1))
    chain.broker.deliver()

    found = chain.values()
    assert found[: min(room, 100) + 1] == [float(n) for n in range(min(room, 100) + 1)]
    assert (found[-1], len(set(found))) == (101.0, len(found))
    assert len(found) + sum(chain.drops().values()) == 102
    assert chain.sender.waiting == 0


@pytest.mark.parametrize("error", [TIMED_OUT, NO_TOPIC])
def test_the_newest_of_a_block_arrives_after_an_outage(chain: Chain, error: int) -> None:
    chain.send(values(chain.a, (0.0, NOW)), block(chain.a, 1, 100))
    for _ in range(5):
        chain.broker.deliver(error)
        chain.now_s += 10.0
        chain.send()
    chain.broker.deliver()

    assert chain.values() == [100.0]
    assert sum(chain.drops().values()) == 100


def test_a_block_to_a_topic_that_is_missing_is_refused_one_by_one_and_its_newest_sent_once_it_is_there(chain: Chain) -> None:
    chain.send(values(chain.a, (0.0, NOW)))
    chain.broker.deliver()
    chain.broker.missing.add("data")
    chain.send(block(chain.a, 1, 10))
    assert sum(chain.drops().values()) == 9
    chain.broker.missing.clear()
    chain.now_s += 1.0
    chain.send()
    chain.broker.deliver()

    assert chain.values() == [0.0, 10.0]


@pytest.mark.parametrize("error", [TIMED_OUT, NO_TOPIC])
def test_after_an_outage_of_any_length_value_alarm_and_connection_of_a_quiet_pv_arrive(chain: Chain, error: int) -> None:
    chain.send(
        connections(chain.a, (ConnectionState.CONNECTED, NOW)),
        values(chain.a, (1.0, NOW), (2.0, NOW)),
        alarms(chain.a, (Severity.MAJOR, "HIHI", NOW)),
    )
    for _ in range(20):  # given up again and again
        chain.broker.deliver(error)
        chain.now_s += 10.0
        chain.send()
    chain.broker.deliver()

    arrived = chain.arrived()
    assert chain.values() == [2.0]
    assert [m.severity for m in arrived if hasattr(m, "severity")] == [Severity.MAJOR]
    assert [m.state for m in arrived if hasattr(m, "state")] == [ConnectionState.CONNECTED]
    assert sum(chain.drops().values()) == 1  # the 1.0, once


def test_a_topic_that_is_made_late_gets_the_newest_and_holds_up_no_other(chain: Chain) -> None:
    chain.broker.missing.add("data")
    chain.send(values(chain.a, (1.0, NOW)), values(chain.b, (5.0, NOW)))
    chain.broker.deliver()
    assert chain.values("B") == [5.0]
    chain.now_s += 1.0
    chain.send()
    assert "topic 'data'" in chain.forwarding.problems.last
    chain.broker.missing.clear()
    chain.now_s += 1.0
    chain.send()
    chain.broker.deliver()

    assert chain.values() == [1.0]
    assert chain.drops() == {}


def test_what_can_never_be_sent_is_counted_and_not_tried_again(chain: Chain) -> None:
    chain.send(values(chain.a, (1.0, NOW)))
    chain.broker.deliver(TOO_LARGE)
    chain.now_s += 10.0
    chain.send()

    assert (chain.sender.waiting, sum(chain.drops().values())) == (0, 1)


def test_a_stream_that_is_gone_is_not_sent_again(chain: Chain) -> None:
    from testbeam.model.forwarding import ConfigChange

    chain.send(values(chain.a, (1.0, NOW)))
    chain.broker.deliver(TIMED_OUT)
    chain.forwarding.do(ConfigChange.REMOVE, spec("A", topic="", schema=""))
    chain.now_s += 10.0
    chain.send()

    assert (chain.sender.waiting, len(chain.broker.queue)) == (0, 0)


def test_at_the_end_what_waits_goes_out_however_little_room_there_is(chain: Chain) -> None:
    chain.broker.room = 0
    chain.send(values(chain.a, (1.0, NOW)), values(chain.b, (2.0, NOW)), alarms(chain.a, (Severity.MINOR, "HIGH", NOW)))
    chain.broker.room = 1

    chain.sender.finish(1.0, "the end")

    assert (chain.values(), chain.values("B"), len(chain.arrived())) == ([1.0], [2.0], 3)
    assert (chain.drops(), chain.sender.waiting) == ({}, 0)


def test_at_the_end_what_kafka_does_not_take_is_counted(chain: Chain) -> None:
    chain.send(values(chain.a, (1.0, NOW)), values(chain.b, (2.0, NOW)))
    chain.broker.deliver(TIMED_OUT)
    chain.broker.missing = {"other"}

    chain.sender.finish(1.0, "the end")

    assert (chain.values(), chain.values("B")) == ([1.0], [])
    assert (chain.drops(), chain.sender.waiting) == ({"the end": 1}, 0)


class Fatal(KafkaError):
    """An error after which librdkafka gives its producer up."""

    def fatal(self) -> bool:
        return True


def test_a_producer_that_fails_for_good_is_replaced_and_its_messages_are_sent_again(chain: Chain) -> None:
    chain.send(values(chain.a, (1.0, NOW)))
    (message,) = chain.broker.queue
    chain.broker.queue.clear()
    chain.sender.delivered(Fatal(KafkaError.UNKNOWN), message)
    chain.now_s += 1.0
    chain.send()
    chain.broker.deliver()

    assert chain.broker.opened == 2
    assert chain.values() == [1.0]


def test_topics_are_forgotten_with_their_last_stream(chain: Chain) -> None:
    from testbeam.model.forwarding import ConfigChange

    for n in range(3000):
        chain.forwarding.add(spec("C", topic=f"gone{n}"))
        (number,) = [number for number, stream in chain.forwarding.streams.by_number.items() if stream.spec.channel == "C"]
        chain.send(values(number, (1.0, NOW)))
        chain.broker.deliver()
        chain.forwarding.do(ConfigChange.REMOVE, spec("C", topic="", schema=""))
        chain.send()

    assert set(chain.forwarding.streams.topics) == {"data", "other"}
    assert chain.broker.opened > 1  # librdkafka never forgets a topic
    assert chain.drops() == {}
