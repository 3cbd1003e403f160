from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam.errors import SettingsError
from testbeam.kafkatools.replay_names import Names
from testbeam.kafkatools.replay_order import Run, due_times, in_file_order, in_time_order
from testbeam.wire.kafka.message import KafkaMessage
from tests.unit.recording.recordings import batch, message, write


def sent(runs: list[Run]) -> list[tuple[int, KafkaMessage]]:
    return [
        (due_ms, list(run.batch.messages())[row])
        for run in runs
        for row, due_ms in zip(run.rows.tolist(), run.due_ms.tolist(), strict=True)
    ]


def test_partitions_that_were_read_one_after_the_other_are_replayed_side_by_side(tmp_path: Path) -> None:
    first = [message(0, at_ms=1_000), message(1, at_ms=3_000)]
    second = [message(0, partition=1, at_ms=2_000), message(1, partition=1, at_ms=4_000)]
    path = write(tmp_path / "two", [first, second])

    assert sent(list(in_time_order(path))) == [(0, first[0]), (1_000, second[0]), (2_000, first[1]), (3_000, second[1])]


def test_as_fast_as_can_be_all_are_due_at_once_as_they_stand_in_the_file(tmp_path: Path) -> None:
    rows = [message(0, at_ms=9), message(1, at_ms=5), message(2, at_ms=7)]
    path = write(tmp_path / "three", [rows[:2], rows[2:]])

    assert sent(list(in_file_order(path))) == [(0, row) for row in rows]


def test_a_message_older_than_the_one_before_it_waits_for_that_one(tmp_path: Path) -> None:
    rows = [message(0, at_ms=2_000), message(1, at_ms=1_000), message(2, at_ms=2_500)]
    path = write(tmp_path / "back", [rows[:1], rows[1:]])

    assert [due_ms for due_ms, _ in sent(list(in_time_order(path)))] == [0, 0, 500]


def test_an_empty_recording_has_nothing_to_send(tmp_path: Path) -> None:
    path = write(tmp_path / "none", [[]])

    assert sent(list(in_time_order(path))) == sent(list(in_file_order(path))) == []


@given(st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 50)), min_size=1, max_size=8), max_size=5))
def test_whatever_the_times_every_message_comes_once_and_partitions_keep_their_order(
    tmp_path_factory: pytest.TempPathFactory, shape: list[list[tuple[int, int]]]
) -> None:
    numbers = iter(range(1_000))
    batches = [[message(next(numbers), partition=partition, at_ms=at_ms) for partition, at_ms in rows] for rows in shape]
    path = write(tmp_path_factory.mktemp("any") / "recording", batches)

    by_partition: dict[int, list[int]] = defaultdict(list)
    replayed = sent(list(in_time_order(path)))
    for _, row in replayed:
        by_partition[row.partition].append(row.offset)

    assert sorted(row.offset for _, row in replayed) == list(range(sum(map(len, batches))))
    assert all(offsets == sorted(offsets) for offsets in by_partition.values())
    assert [due_ms for due_ms, _ in replayed] == sorted(due_ms for due_ms, _ in replayed)


def test_due_times_remember_each_partition_from_batch_to_batch() -> None:
    latest_ms: dict[tuple[str, int], int] = {}
    due_times(batch([message(0, at_ms=50), message(0, partition=1, at_ms=10)]), latest_ms)

    assert due_times(batch([message(1, at_ms=20), message(1, partition=1, at_ms=20)]), latest_ms).tolist() == [50, 20]


def test_topics_are_renamed_one_by_one_or_by_a_prefix() -> None:
    names = Names(prefix="bug_", renames={"motion": "other"})

    assert names.targets(["detector", "motion"]) == {"detector": "bug_detector", "motion": "other"}


def test_only_the_topics_that_are_asked_for_are_sent() -> None:
    assert Names(only=("motion",)).targets(["detector", "motion"]) == {"motion": "motion"}


@pytest.mark.parametrize("names", [Names(renames={"moton": "x"}), Names(only=("moton",))])
def test_a_topic_that_is_not_in_the_recording_is_told_with_near_ones(names: Names) -> None:
    with pytest.raises(SettingsError, match=r"'moton'.*a topic of the recording, such as motion"):
        names.targets(["detector", "motion"])


def test_two_topics_never_become_one() -> None:
    with pytest.raises(SettingsError, match=r"renames: 'motion=detector'.*'detector' goes there already"):
        Names(renames={"motion": "detector"}).targets(["detector", "motion"])
