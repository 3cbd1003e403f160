from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException

from testbeam.runtime.counters import Drops
from testbeam.services.forwarder.outbox import QUEUE_FULL, Outbox
from testbeam.services.forwarder.problems import Problems
from testbeam.services.forwarder.stream import Message
from tests.unit.forwarder.forwarding import LOG


@dataclass
class SmallQueue:
    """A producer with room for a few messages; topic `missing` can't be sent to."""

    room: int
    queued: list[bytes] = field(default_factory=list)

    def produce(self, topic: str, value: bytes, key: bytes, *, timestamp: int) -> None:
        if topic == "missing":
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
        if len(self.queued) >= self.room:
            raise BufferError
        assert timestamp == 1
        self.queued.append(key + value[8:])

    def poll(self, _timeout: float, /) -> int:
        return 0

    def flush(self, _timeout: float, /) -> int:
        return 0

    def __len__(self) -> int:
        return 0


def message(key: str, text: str, schema: str = "f144") -> Message:
    return key.encode(), b"\0\0\0\0" + schema.encode() + text.encode(), 1


def outbox(room: int) -> tuple[Outbox, SmallQueue, Drops]:
    producer, drops = SmallQueue(room), Drops(LOG)
    return Outbox(producer, drops, Problems(LOG)), producer, drops


def test_messages_go_out_in_order() -> None:
    box, producer, drops = outbox(room=10)

    box.send([("data", [message("A", "1"), message("B", "1"), message("A", "2")])])

    assert producer.queued == [b"A1", b"B1", b"A2"]
    assert drops.total == 0


def test_while_the_queue_is_full_the_newest_of_each_pv_and_schema_is_kept_and_the_rest_counted() -> None:
    box, producer, drops = outbox(room=1)

    box.send([("data", [message("A", str(n)) for n in range(5)] + [message("A", "!", "al00"), message("B", "1")])])
    producer.room = 10
    box.send([("data", [message("A", "5")])])

    assert producer.queued == [b"A0", b"A4", b"A!", b"B1", b"A5"]
    assert drops.counts == {QUEUE_FULL: 3}


def test_what_is_held_goes_out_before_anything_newer() -> None:
    box, producer, _ = outbox(room=0)
    box.send([("data", [message("A", "1")])])
    box.send([("data", [message("B", "1")])])
    producer.room = 1
    box.send([("data", [message("C", "1")])])
    assert producer.queued == [b"A1"]

    producer.room = 10
    box.send([])

    assert producer.queued == [b"A1", b"B1", b"C1"]
    assert box.held == {}


def test_a_missing_topic_costs_only_its_own_messages() -> None:
    box, producer, drops = outbox(room=10)

    box.send([("missing", [message("A", "1"), message("A", "2")]), ("data", [message("B", "1")])])

    assert producer.queued == [b"B1"]
    assert drops.total == 2
    assert "topic 'missing'" in box.problems.last


def test_at_the_end_what_is_held_goes_out_and_the_rest_is_counted() -> None:
    box, producer, drops = outbox(room=0)
    box.send([("data", [message("A", "1"), message("B", "1")])])
    producer.room = 1

    box.finish(1.0, "the end")

    assert producer.queued == [b"A1"]
    assert drops.counts == {"the end": 1}
    assert box.waiting == 0
