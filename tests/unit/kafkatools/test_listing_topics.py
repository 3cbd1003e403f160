"""Listing of topics while partitions come and go."""

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from testbeam.errors import TransportError
from testbeam.kafkatools.inspect.listing import list_topics


class Admin:
    """Answers with a topic of three messages; the first questions of offsets find a partition without a leader."""

    def __init__(self, code: int, times: int) -> None:
        self.code, self.times = code, times

    def list_topics(self, **_: Any) -> Any:
        return SimpleNamespace(topics={"data": SimpleNamespace(partitions={0: None}), "__own": SimpleNamespace(partitions={0: None})})

    def list_offsets(self, asked: Any, **_: Any) -> dict[Any, Future[Any]]:
        answers: dict[Any, Future[Any]] = {}
        for number, partition in enumerate(asked):
            future: Future[Any] = Future()
            answers[partition] = future
            if self.times:
                self.times -= 1
                future.set_exception(KafkaException(KafkaError(self.code)))
            else:
                future.set_result(SimpleNamespace(offset=number + 3))
        return answers


def kafka(code: int, times: int) -> Any:
    return SimpleNamespace(bootstrap="somewhere:1", admin=lambda: Admin(code, times))


def test_a_partition_without_a_leader_is_asked_again() -> None:
    (facts,) = list_topics(kafka(KafkaError.NOT_LEADER_FOR_PARTITION, times=2), sample=0)

    assert (facts.name, facts.partitions, facts.messages) == ("data", 1, 0)


@pytest.mark.parametrize(("code", "within_s"), [(KafkaError.LEADER_NOT_AVAILABLE, 0.05), (KafkaError.TOPIC_AUTHORIZATION_FAILED, 10)])
def test_what_stays_so_or_is_something_else_is_an_error(code: int, within_s: float) -> None:
    with pytest.raises(TransportError, match="somewhere:1: no answer"):
        list_topics(kafka(code, times=1_000_000), sample=0, within_s=within_s)
