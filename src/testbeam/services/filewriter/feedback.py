"""What the writer says on Kafka (answers, status, finished files), and whether Kafka still listens."""

import json
import socket
from collections.abc import Mapping
from os import getpid, urandom
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message

from testbeam.model.runs import CommandAnswer, WritingFinished
from testbeam.runtime import clock
from testbeam.runtime.counters import Drops
from testbeam.runtime.heartbeat import Heartbeat
from testbeam.transport.kafka.client import FOR_NEW_TOPICS, Kafka
from testbeam.wire.flatbuffers.schemas.command_answer_answ import encode_answ
from testbeam.wire.flatbuffers.schemas.writing_finished_wrdn import encode_wrdn

_PRODUCER = {
    "message_timeout_ms": 0,  # a wrdn waits for Kafka to come back, however long
    "enable_idempotence": False,  # a new broker makes an idempotent producer wait 0.5 s for its number
    "max_in_flight_requests_per_connection": 1,  # which keeps the order all the same
    **FOR_NEW_TOPICS,  # the first status is what makes a stack ready
    "linger_ms": 0,
}


def new_service_id(name: str) -> str:
    """Return an id no other start of a writer has."""
    return f"{name or 'filewriter'}--{socket.gethostname()}--{getpid()}--{urandom(4).hex()}"


class Feedback:
    """One producer for all messages, which reach a topic in the order they were said; monotonic seconds come from the caller."""

    def __init__(self, kafka: Kafka, service_id: str, interval_s: float, drops: Drops) -> None:
        self.service_id = service_id
        self._producer = kafka.producer(**_PRODUCER)
        self._heartbeat = Heartbeat("testbeam-filewriter", service_id, interval_s)
        self._drops = drops
        self._waiting_since_s: float | None = None
        self._heard = False

    def is_heard(self) -> bool:
        """Tell whether Kafka ever acknowledged anything."""
        return self._heard

    def say(self, topic: str, payload: bytes, now_s: float) -> None:
        """Send a message; whether it arrived shows in `silent_s`."""
        try:
            self._producer.produce(topic, payload, key=self.service_id, timestamp=clock.wall_ms(), on_delivery=self._delivered)
        except (KafkaException, BufferError) as error:  # larger than Kafka takes, or too many are waiting
            self._drops.add("not delivered", f"{len(payload)} bytes to {topic}: {error}")
            return
        if self._waiting_since_s is None:
            self._waiting_since_s = now_s

    def answer(self, topic: str, answer: CommandAnswer, now_s: float) -> None:
        """Send an answ."""
        self.say(topic, encode_answ(answer), now_s)

    def finished(self, topic: str, finished: WritingFinished, now_s: float) -> None:
        """Send a wrdn."""
        self.say(topic, encode_wrdn(finished), now_s)

    def beat(self, topic: str, status: Mapping[str, Any], now_s: float) -> None:
        """Send the status if it is due; while Kafka is silent one status waits for it, not hundreds."""
        self.listen(now_s)
        if self._waiting_since_s is None and self._heartbeat.due(now_s):
            self.say(topic, self._heartbeat.encode(json.dumps(status)), now_s)

    def beat_soon(self) -> None:
        """Send the next status without waiting for its interval."""
        self._heartbeat.soon()

    def listen(self, now_s: float, wait_s: float = 0) -> None:
        """Take in what Kafka acknowledged."""
        if self._producer.poll(wait_s):
            self._waiting_since_s = now_s if len(self._producer) else None

    def silent_s(self, now_s: float) -> float:
        """Return for how long Kafka has owed us an acknowledgement."""
        return 0.0 if self._waiting_since_s is None else now_s - self._waiting_since_s

    def close(self, within_s: float) -> None:
        """Give the last messages some time to arrive."""
        left = self._producer.flush(within_s)
        if left:
            self._drops.add("not delivered at the end", f"Kafka did not acknowledge them within {within_s} s", left)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self._heard = True
        else:
            self._drops.add("not delivered", f"to {message.topic()}: {error.str()}")
