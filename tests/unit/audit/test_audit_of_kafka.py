"""What the audit reads of a topic, and what it refuses to judge since Kafka has deleted it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from testbeam.audit.job import Job
from testbeam.audit.kafka import data
from testbeam.errors import AuditError
from testbeam.transport.kafka.client import Kafka, Reader
from tests.unit.audit.by_hand import job

FAR_MS = 32_000_000_000_000  # a thousand years from 1970
AFTER_START = replace(job(), start_ms=2_000, stop_ms=3_000)


@dataclass(frozen=True)
class Raw:
    """A message as the Kafka client has it."""

    at: int
    kafka_ms: int

    def topic(self) -> str:
        return "motion"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.at

    def value(self) -> bytes:
        return b""

    def timestamp(self) -> tuple[int, int]:
        return 1, self.kafka_ms


@dataclass
class OneTopic:
    """Kafka and its reader: a topic of one partition, with messages of these Kafka times from offset `low` on."""

    times_ms: Sequence[int]
    low: int = 0
    bootstrap: str = "here"
    at_end: set[Any] = field(default_factory=set)
    begin: int = 0

    between = Reader.between

    def reader(self) -> "OneTopic":
        return self

    def __enter__(self) -> "OneTopic":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def end(self) -> int:
        return self.low + len(self.times_ms)

    def watermarks(self, _topic: str) -> dict[int, tuple[int, int]]:
        return {0: (self.low, self.end)}

    def offsets_at(self, _topic: str, timestamp_ms: int) -> dict[int, int]:
        return {0: next((self.low + n for n, time in enumerate(self.times_ms) if time >= timestamp_ms), self.end)}

    def assign(self, offsets: Mapping[tuple[str, int], int]) -> None:
        self.begin = offsets.get(("motion", 0), self.end)

    def read(self, _most: int, _wait_s: float) -> list[Raw]:
        messages = [Raw(self.low + n, time) for n, time in enumerate(self.times_ms)][self.begin - self.low :]
        self.begin = self.end
        return messages


def read(topic: OneTopic, of: Job) -> list[int]:
    return [message.kafka_ms for message in data(cast(Kafka, topic), of, ["motion"], before_s=1, within_s=0)]


def test_it_reads_from_a_minute_before_the_window_to_the_end_of_the_topic() -> None:
    later = replace(AFTER_START, start_ms=100_000, stop_ms=101_000)

    assert read(OneTopic([38_999, 39_000, 99_000, 200_000, 100_500]), later) == [39_000, 99_000, 200_000, 100_500]


def test_no_kafka_time_ends_its_reading() -> None:
    assert read(OneTopic([1_500, FAR_MS, 2_500, 9_000, 2_600]), AFTER_START) == [1_500, FAR_MS, 2_500, 9_000, 2_600]


@pytest.mark.parametrize("times_ms", [[1_000, 2_500], [5_000], []])
def test_a_window_whose_start_kafka_may_have_deleted_is_refused(times_ms: list[int]) -> None:
    with pytest.raises(AuditError, match=r"Kafka no longer holds the start of the window of motion\[0\].*offset 7.*keep topics longer"):
        read(OneTopic(times_ms, low=7), AFTER_START)


def test_what_kafka_deleted_of_before_the_window_is_no_matter() -> None:
    assert read(OneTopic([999, 2_500], low=7), AFTER_START) == [999, 2_500]
    assert read(OneTopic([999], low=7), AFTER_START) == [999]


@pytest.mark.parametrize("times_ms", [[2_500], []])
def test_a_topic_of_which_nothing_was_deleted_may_begin_within_the_window(times_ms: list[int]) -> None:
    assert read(OneTopic(times_ms), AFTER_START) == times_ms
