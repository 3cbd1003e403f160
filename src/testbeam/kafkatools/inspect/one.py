"""The one message at an offset."""

from testbeam.errors import SettingsError
from testbeam.kafkatools.inspect.history import between, bounds
from testbeam.kafkatools.inspect.message import Wanted, plain
from testbeam.transport.kafka.client import Kafka
from testbeam.wire.kafka.message import KafkaMessage


def message_at(kafka: Kafka, topic: str, partition: int, offset: int) -> KafkaMessage:
    """Return the message at an offset; below 0 counts from the end, -1 is the newest.

    Raises:
        TopicMissing: the topic is not on the broker.
        SettingsError: there is no such partition, or no message at this offset.
    """
    with kafka.reader() as reader:
        low, high = bounds(reader, topic, Wanted(partition=partition))[partition]
        at = high + offset if offset < 0 else offset
        if not low <= at < high:
            there = f"partition {partition} holds {low} to {high - 1}" if high > low else f"partition {partition} is empty"
            raise SettingsError("offset", f"{partition}@{offset}", f"an offset that is there; {there}")
        for messages in between(reader, topic, {partition: at}, {partition: high}):
            if messages[0].offset() == at:
                return plain(messages[0])
            raise _gap(partition, at, f"the next message is {partition}@{messages[0].offset()}")
    raise _gap(partition, at, "no message follows")


def _gap(partition: int, offset: int, next_one: str) -> SettingsError:
    why = "nothing lies there, as compaction or a transaction left a gap"
    return SettingsError("offset", f"{partition}@{offset}", f"another offset: {why}; {next_one}")
