"""Topics that can't be created at this moment, as no broker is free, are asked for again; a refusal is not."""

from concurrent.futures import Future
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from testbeam.errors import TransportError
from testbeam.transport.kafka.client import Kafka, create_topics

NOT_NOW = KafkaError.INVALID_REPLICATION_FACTOR
REFUSED = KafkaError.TOPIC_EXCEPTION


class Answering:
    """An administrator of a cluster that answers by the codes it was given, one a question, then takes every topic."""

    def __init__(self, *codes: int) -> None:
        self._codes = list(codes)
        self.asked: list[list[str]] = []
        self.bootstrap = "here:9092"

    def admin(self) -> "Answering":
        return self

    def create_topics(self, topics: list[Any], **_: float) -> dict[str, "Future[None]"]:
        self.asked.append([topic.topic for topic in topics])
        return {topic.topic: self._answer() for topic in topics}

    def list_topics(self, **_: float) -> Any:
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    def _answer(self) -> "Future[None]":
        future: Future[None] = Future()
        code = self._codes.pop(0) if self._codes else 0
        future.set_exception(KafkaException(KafkaError(code))) if code else future.set_result(None)
        return future


def create(cluster: Answering, *topics: str, within_s: float = 5.0) -> None:
    create_topics(cast("Kafka", cluster), dict.fromkeys(topics, 1), within_s=within_s)


def test_only_what_found_no_broker_free_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbeam.transport.kafka.client._without_leader", lambda *_: [])
    cluster = Answering(NOT_NOW, 0, NOT_NOW)

    create(cluster, "one", "two")

    assert cluster.asked == [["one", "two"], ["one"], ["one"]]


def test_a_refusal_is_told_at_once() -> None:
    cluster = Answering(REFUSED)

    with pytest.raises(TransportError, match="here:9092: topic 'one' was not created"):
        create(cluster, "one")

    assert len(cluster.asked) == 1


def test_no_broker_until_the_deadline_is_told_as_the_broker_tells_it() -> None:
    with pytest.raises(TransportError, match="topic 'one' was not created"):
        create(Answering(*[NOT_NOW] * 100), "one", within_s=0.0)
