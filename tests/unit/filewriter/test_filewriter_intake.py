"""When the writer stops reading a partition, with a clock that jumped in mid-job."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from testbeam.nexus import compose
from testbeam.services.filewriter.intake import Intake
from testbeam.services.filewriter.progress import Progress
from testbeam.transport.kafka.client import Reader
from tests.unit.filewriter.writing import Writing, events

MS = 1_000_000
PLACE = "detector", 0


@dataclass(frozen=True)
class Sent:
    """A message as the Kafka client has it: pulses at `time_ms`, at Kafka at `kafka_ms`."""

    at: int
    time_ms: int
    kafka_ms: int

    def topic(self) -> str:
        return PLACE[0]

    def partition(self) -> int:
        return PLACE[1]

    def offset(self) -> int:
        return self.at

    def value(self) -> bytes:
        return events(self.time_ms * MS, [1, 2])

    def timestamp(self) -> tuple[int, int]:
        return 1, self.kafka_ms


@dataclass
class Waiting:
    """A reader that gives one message after the other."""

    messages: list[Sent]
    at_end: set[Any] = field(default_factory=set)
    unassigned: list[Any] = field(default_factory=list)

    @property
    def consumer(self) -> "Waiting":
        return self

    def assign(self, _offsets: object) -> None:
        pass

    def read(self, _most: int, _wait_s: float) -> Sequence[Sent]:
        return [self.messages.pop(0)]

    def incremental_unassign(self, places: list[Any]) -> None:
        self.unassigned += places


def ends_after(folder: Path, messages: list[Sent], now_ms: int) -> int:
    """Return how many messages are read until the partition ends."""
    writing = Writing(
        folder, [compose.group("panel", "NXevent_data", compose.stream("ev44", topic="detector", source="panel"))], 2_000 * MS
    )
    reader = Waiting(list(messages))
    intake = Intake(reader=cast(Reader, reader), router=writing.router, progress=Progress(leeway_ms=1_000), most=100)
    intake.open({PLACE: 0})
    while reader.messages and not intake.end_partitions(2_000, now_ms):
        intake.read(0)
    assert intake.end_partitions(2_000, now_ms)
    writing.finish().close()
    return len(messages) - len(reader.messages)


def test_ordinary_data_end_the_reading_with_the_first_message_past_the_stop(tmp_path: Path) -> None:
    assert ends_after(tmp_path, [Sent(0, 1_500, 1_510), Sent(1, 2_001, 2_011), Sent(2, 2_002, 2_012)], now_ms=2_020) == 2


def test_a_clock_that_jumped_in_mid_job_leaves_no_backlog_unread(tmp_path: Path) -> None:
    jumped = [Sent(0, 1_500, 1_510), Sent(1, 99_000, 1_520), Sent(2, 1_530, 1_540), Sent(3, 1_990, 2_010), Sent(4, 2_001, 2_011)]

    assert ends_after(tmp_path, jumped, now_ms=2_020) == 5


def test_a_jump_in_kafkas_own_time_leaves_no_backlog_unread(tmp_path: Path) -> None:
    jumped = [Sent(0, 1_500, 1_510), Sent(1, 1_501, 99_000), Sent(2, 1_530, 1_540), Sent(3, 2_001, 2_011)]

    assert ends_after(tmp_path, jumped, now_ms=2_020) == 4
