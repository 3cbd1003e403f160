"""Pool of jobs: the writer is an idle member of the consumer group that shares the pool topic.

A writer with a job leaves the group, so that its share of the pool goes to the idle ones.
"""

import logging
from contextlib import suppress
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message

from testbeam.transport.kafka.client import Kafka

_GROUP = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",  # a job sent before the first writer joined is done, too
    "session.timeout.ms": 6000,  # a killed idle writer holds its share of the pool no longer
    "heartbeat.interval.ms": 100,  # its answer says that another writer has left, and its jobs are ours
    "topic.metadata.refresh.interval.ms": 1000,  # the topic may be made after us
    "fetch.wait.max.ms": 100,
    "check.crcs": True,
}


class Pool:
    """Membership in the pool of writers."""

    def __init__(self, kafka: Kafka, topic: str, group: str, log: logging.Logger) -> None:
        self._kafka, self._topic, self._group, self._log = kafka, topic, group, log
        self._consumer: Consumer | None = None
        self._last_error: Any = None

    def join(self) -> Consumer:
        """Begin to join the group, unless that was done already; `poll` goes on with it."""
        if self._consumer is None:
            self._consumer = Consumer(self._kafka.config() | _GROUP | {"group.id": self._group})
            self._consumer.subscribe([self._topic])
        return self._consumer

    def poll(self, wait_s: float) -> Message | None:
        """Return the next message of the pool; none within `wait_s`, or where Kafka has a passing fault."""
        consumer = self.join()
        consumer.memberid()  # wakes librdkafka's own thread: by itself it looks every half second whether a heartbeat is due
        message = consumer.poll(wait_s)
        error = None if message is None else message.error()
        if error is None:
            return message
        if error.code() != self._last_error:
            self._last_error = error.code()
            self._log.warning("job pool %s: %s", self._topic, error.str())
        return None

    def commit(self, message: Message) -> bool:
        """Take a message out of the pool for good; where that fails, whoever has the partition then, perhaps we, gets it once more."""
        if self._consumer is None:
            return False
        try:
            self._consumer.commit(message=message, asynchronous=False)
        except KafkaException as error:
            self._log.warning("job pool %s: the message at %s is left to the group: %s", self._topic, message.offset(), error)
            self.leave()  # a consumer that went on would be past it
            return False
        return True

    def leave(self) -> None:
        """Leave the group at once."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with suppress(KafkaException):
                consumer.close()
