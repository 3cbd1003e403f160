"""When the writer stops reading a partition, whatever the clocks of others do."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from testbeam.nexus import compose
from testbeam.services.filewriter import router as reasons
from testbeam.services.filewriter.data_reader import DataReader, Progress
from tests.unit.filewriter.kafka_log import TOPIC, LogReader, Sent
from tests.unit.filewriter.writing import Writing, log, read

MS = 1_000_000
STOP_MS, LEEWAY_MS = 2_000, 1_000


def reading(folder: Path, *logs: Sequence[Sent], sources: str = "a", from_ms: int = 0) -> tuple[Writing, DataReader, LogReader]:
    alone = {"enable_alarm_info": False, "enable_epics_con_info": False}
    nodes = [compose.group(name, "NXlog", compose.stream("f144", topic=TOPIC, source=name, **alone)) for name in sources]
    writing = Writing(folder, nodes, STOP_MS * MS, {TOPIC: len(logs)}, leeway_ns=LEEWAY_MS * MS, start_ns=1_000 * MS)
    reader = LogReader({(TOPIC, number): messages for number, messages in enumerate(logs)})
    data = DataReader(reader=reader, router=writing.router, progress=Progress(leeway_ms=LEEWAY_MS), most=1, from_ms=from_ms)
    data.open(dict.fromkeys(reader.logs, 0))
    return writing, data, reader


def sent(*messages: tuple[int, int] | tuple[int, int, str], partition: int = 0) -> list[Sent]:
    """Return messages from (payload time, Kafka time[, source]), both in ms."""
    full = [(*message, "a")[:3] for message in messages]
    return [Sent(log(time * MS, source=source), kafka, partition, at) for at, (time, kafka, source) in enumerate(full)]


def reads_until_ended(data: DataReader, now_ms: int) -> int:
    """Return how many portions of one message are read until no partition is left."""
    for count in range(100):
        if data.end_partitions(STOP_MS, now_ms):
            return count
        data.read(0)
    raise AssertionError("the reading did not end")


def test_when_all_sources_came_past_the_stop_the_end_there_is_then_counts(tmp_path: Path) -> None:
    writing, data, _reader = reading(tmp_path, sent((1_500, 1_510), (2_001, 2_011), (1_700, 2_012)))

    assert reads_until_ended(data, 2_020) == 3
    with writing.finish() as file:
        assert read(file, "a/time") == [[1_500 * MS, 1_700 * MS]]


def test_sources_that_came_the_leeway_past_the_stop_end_the_reading_at_once(tmp_path: Path) -> None:
    writing, data, _reader = reading(tmp_path, sent((1_500, 1_510), (3_001, 3_011), *[(9_000, 9_000)] * 20))

    assert reads_until_ended(data, 2_020) == 2
    writing.finish().close()


def test_the_kafka_time_of_another_source_ends_nothing(tmp_path: Path) -> None:
    messages = sent((1_500, 1_510), (1_600, 9_999, "b"), *[(1_501 + i, 1_520 + i) for i in range(20)])
    writing, data, _reader = reading(tmp_path, messages, sources="ab")

    reads_until_ended(data, 10**6)
    with writing.finish() as file:
        assert len(file["a/time"]) == 21


def test_a_clock_that_jumped_in_mid_job_leaves_no_backlog_unread(tmp_path: Path) -> None:
    writing, data, _reader = reading(tmp_path, sent((1_500, 1_510), (99_000, 1_520), (1_530, 1_540), (1_990, 2_010)))

    assert reads_until_ended(data, 10**6) == 4
    with writing.finish() as file:
        assert len(file["a/time"]) == 3


def test_a_source_far_past_the_stop_gives_nothing_more_however_portions_fall(tmp_path: Path) -> None:
    writing, data, _reader = reading(tmp_path, sent((3_001, 3_001), (1_500, 3_002), (1_600, 3_003, "b")), sources="ab")

    assert reads_until_ended(data, 10**6) == 3
    with writing.finish() as file:
        assert read(file, "a/time", "b/time") == [[], [1_600 * MS]]
    assert writing.drops.counts[reasons.AFTER_STOP] == 1


def test_what_came_before_the_writer_had_to_read_is_skipped_up_to_the_first_that_is_not(tmp_path: Path) -> None:
    writing, data, _reader = reading(tmp_path, sent((1_100, 500), (1_200, 600), (1_300, 700), (1_400, 600)), from_ms=700)

    reads_until_ended(data, 10**6)
    with writing.finish() as file:
        assert read(file, "a/time") == [[1_300 * MS, 1_400 * MS]]
    assert writing.drops.counts == {reasons.BEFORE_READING: 2}


def test_a_partition_that_was_added_during_the_job_is_read_from_its_first_message(tmp_path: Path) -> None:
    writing, data, reader = reading(tmp_path, sent((1_100, 1_100)))
    reader.logs = {**reader.logs, (TOPIC, 1): sent((1_200, 1_200), (1_300, 1_300), partition=1)}

    reads_until_ended(data, 10**6)
    with writing.finish() as file:
        assert read(file, "a/time") == [[1_100 * MS, 1_200 * MS, 1_300 * MS]]
    assert data.ends == {(TOPIC, 0): 1, (TOPIC, 1): 2}


def test_ended_partitions_are_let_go_of(tmp_path: Path) -> None:
    writing, data, reader = reading(tmp_path, sent((1_100, 1_100)), [])

    reads_until_ended(data, 10**6)
    assert sorted(reader.unassigned) == [(TOPIC, 0), (TOPIC, 1)]
    writing.finish().close()


def test_of_each_portion_only_late_messages_are_asked_for_their_kafka_time(tmp_path: Path) -> None:
    asked: list[int] = []
    writing, data, _reader = reading(tmp_path, [])

    def kafka_ms(rows: np.ndarray[tuple[int], np.dtype[np.intp]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        asked.extend(rows.tolist())
        return np.full(len(rows), 2_100)

    writing.router.take(TOPIC, 0, [b"junkzz99", *[log(t * MS, source="a") if t else b"" for t in (1_100, 2_050, 0, 1_200)]], kafka_ms)
    assert asked == [2]
    assert writing.router.done(TOPIC, 0)
    assert not data.end_partitions(STOP_MS, STOP_MS)
    writing.finish().close()
