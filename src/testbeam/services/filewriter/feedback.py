"""Feedback of the writer on Kafka (answers, status, finished files), and whether Kafka still listens."""

import json
import socket
from collections.abc import Mapping
from os import getpid, urandom
from typing import Any

from testbeam.model.runs import CommandAnswer, WritingFinished
from testbeam.runtime.counters import Drops
from testbeam.runtime.heartbeat import Heartbeat
from testbeam.runtime.status_publisher import StatusPublisher
from testbeam.transport.kafka.client import Kafka
from testbeam.wire.flatbuffers.schemas.command_answer_answ import encode_answ
from testbeam.wire.flatbuffers.schemas.writing_finished_wrdn import encode_wrdn


def new_service_id(name: str) -> str:
    """Return an id no other start of a writer has."""
    return f"{name or 'filewriter'}--{socket.gethostname()}--{getpid()}--{urandom(4).hex()}"


class Feedback:
    """Answers, status and finished files of a writer, over one status publisher; monotonic seconds come from the caller."""

    def __init__(self, kafka: Kafka, service_id: str, interval_s: float, drops: Drops) -> None:
        self.service_id = service_id
        self._publisher = StatusPublisher.on(kafka, service_id, drops, gives_up=False)  # a wrdn waits for Kafka to come back, however long
        self._heartbeat = Heartbeat("testbeam-filewriter", service_id, interval_s)

    def is_heard(self) -> bool:
        """Tell whether Kafka ever acknowledged anything."""
        return bool(self._publisher.heard)

    def say(self, topic: str, payload: bytes, now_s: float) -> None:
        """Send a message; whether it arrived shows in `silent_s`."""
        self._publisher.send(topic, payload, now_s)

    def put(self, topic: str, key: bytes, payload: bytes, now_s: float) -> None:
        """Send a record with a key of its own."""
        self._publisher.send(topic, payload, now_s, key)

    def answer(self, topic: str, answer: CommandAnswer, now_s: float) -> None:
        """Send an answ."""
        self.say(topic, encode_answ(answer), now_s)

    def finished(self, topic: str, finished: WritingFinished, now_s: float) -> None:
        """Send a wrdn."""
        self.say(topic, encode_wrdn(finished), now_s)

    def beat(self, topic: str, status: Mapping[str, Any], now_s: float) -> None:
        """Send the status if it is due; while Kafka is silent one status waits for it, not hundreds."""
        self.listen(now_s)
        if not self._publisher.is_waiting and self._heartbeat.due(now_s):
            self.say(topic, self._heartbeat.encode(json.dumps(status)), now_s)

    def beat_soon(self) -> None:
        """Send the next status without waiting for its interval."""
        self._heartbeat.soon()

    def listen(self, now_s: float, wait_s: float = 0) -> None:
        """Take in what Kafka acknowledged."""
        self._publisher.serve(now_s, wait_s)

    def silent_s(self, now_s: float) -> float:
        """Return for how long Kafka has owed us an acknowledgement."""
        return self._publisher.silent_s(now_s)

    def close(self, within_s: float) -> None:
        """Give the last messages some time to arrive."""
        self._publisher.close(within_s)
