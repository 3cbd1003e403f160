import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from testbeam.kafkatools.inspect.history import newest
from testbeam.kafkatools.inspect.message import Wanted
from testbeam.kafkatools.inspect.tail import tail
from testbeam.transport.kafka.client import Reader

BURST = 1_000


@dataclass(frozen=True)
class Row:
    """A message as the client library has it; the key tells which are looked for."""

    at: int
    time_ms: int
    name: bytes = b"other"
    place: int = 0

    def topic(self) -> str:
        return "t"

    def partition(self) -> int:
        return self.place

    def offset(self) -> int:
        return self.at

    def timestamp(self) -> tuple[int, int]:
        return 1, self.time_ms

    def key(self) -> bytes:
        return self.name


@dataclass
class Log:
    """A reader of partitions that are lists of messages; counts what was read, and sets `stop` after the first burst."""

    partitions: Sequence[Sequence[Row]]
    stop: threading.Event | None = None
    left: list[Row] = field(default_factory=list)
    at_end: set[tuple[str, int]] = field(default_factory=set)
    read_rows: int = 0
    bootstrap: str = "here"

    between = Reader.between

    def assign(self, offsets: Mapping[tuple[str, int], int]) -> None:
        self.left = [row for (_, partition), start in offsets.items() for row in self.partitions[partition] if row.at >= start]

    def reader(self) -> "Log":
        return self

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def watermarks(self, _topic: str) -> dict[int, tuple[int, int]]:
        return {number: (0, len(rows)) for number, rows in enumerate(self.partitions)}

    def read(self, _most: int, _wait_s: float) -> list[Row]:
        rows, self.left = self.left[:BURST], self.left[BURST:]
        self.read_rows += len(rows)
        if self.stop:
            self.stop.set()
        return rows


def found(log: Any, count: int, *, key: str | None = "hit") -> list[int]:
    """Return the times of the newest messages of this key."""
    limits = log.watermarks("t")
    return [message.timestamp()[1] for message in newest(log, "t", limits, Wanted(key=key), count, log.stop)]


def quiet(count: int, partition: int) -> list[Row]:
    """Return a partition with a hit each hundred seconds, and nothing else."""
    return [Row(at, at * 100_000, b"hit", partition) for at in range(count)]


def test_the_newest_hits_of_a_busy_partition_are_found_behind_the_older_ones_of_a_quiet_one() -> None:
    newest_ms = 99 * 100_000
    busy = [Row(at, newest_ms + at, b"hit" if at % 1_000 == 0 else b"other", 1) for at in range(5_000)]

    assert found(Log([quiet(100, 0), busy]), 3) == [newest_ms + at for at in (2_000, 3_000, 4_000)]


def test_a_partition_is_left_once_all_before_is_older_than_what_was_found() -> None:
    log = Log([quiet(1_000, 0), [Row(at, at, b"other", 1) for at in range(50_000)]])

    assert found(log, 5) == [at * 100_000 for at in range(995, 1_000)]
    assert log.read_rows < 1_000


def test_a_partition_that_has_enough_of_its_own_is_left_whatever_its_times_are() -> None:
    log = Log([[Row(at, 1_000_000 - at, b"hit") for at in range(50_000)]])

    assert len(found(log, 5)) == 5
    assert log.read_rows < 1_000


def test_the_newest_of_all_are_those_of_every_partition_gaps_or_not() -> None:
    gaps = [Row(at, 10 * at, place=0) for at in range(0, 100, 7)]
    log = Log([gaps, [Row(at, at, place=1) for at in range(10)]])
    limits = {0: (0, 99), 1: (0, 10)}

    times = [message.timestamp()[1] for message in newest(log, "t", limits, Wanted(), 4)]  # type: ignore[arg-type]

    assert times == [770, 840, 910, 980]


def test_a_scan_that_is_told_to_stop_ends_after_its_burst_with_what_it_has() -> None:
    log = Log([[Row(at, at, b"hit" if at < 3 else b"other") for at in range(1_000_000)]], stop=threading.Event())

    assert found(log, 10) == []
    assert log.read_rows <= BURST


@pytest.mark.parametrize("count", [10, None])
def test_ctrl_c_ends_a_tail_that_still_goes_through_what_was_there(count: int | None) -> None:
    log: Any = Log([[Row(at, at) for at in range(100_000)]], stop=threading.Event())

    assert not [row for burst in tail(log, "t", count=count, wanted=Wanted(key="hit"), stop=log.stop) for row in burst]
    assert log.read_rows <= BURST


def test_none_are_looked_for_where_none_are_asked_for() -> None:
    assert found(Log([quiet(10, 0)]), 0) == []
