import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from testbeam.nexus import compose
from testbeam.services.filewriter import router as reasons
from tests.hostile.corpus import HOSTILE, corruptions
from tests.unit.filewriter.writing import Writing, alarm, connection, events, log, read

Write = Callable[..., Writing]
SPEED = compose.log("speed", topic="motion", source="speed")
PANEL = compose.group("panel", "NXdetector", compose.stream("ev44", topic="detector", source="panel"))


def test_the_last_value_before_the_start_is_written_first(write: Write) -> None:
    writing = write(SPEED)
    writing.take(log(800, 1), log(900, 2), log(1_100, 3))

    with writing.finish() as file:
        assert read(file, "speed/time", "speed/value") == [[900, 1_100], [2, 3]]
    assert writing.drops.counts == {reasons.OUTSIDE_WINDOW: 1}


def test_the_last_value_before_the_start_is_written_when_nothing_else_comes(write: Write) -> None:
    writing = write(SPEED)
    writing.take(log(900, 2), alarm(800))

    with writing.finish() as file:
        assert read(file, "speed/time", "speed/value", "speed/alarm_time") == [[900], [2], [800]]
        assert file["speed/average_value"][()] == 2


def test_the_newest_value_before_the_start_may_be_in_any_partition(write: Write) -> None:
    writing = write(SPEED)
    writing.take(log(950, 1), partition=1)
    writing.take(log(900, 2), log(1_100, 3), partition=0)

    with writing.finish() as file:
        assert read(file, "speed/time", "speed/value") == [[950, 1_100], [1, 3]]


def test_nothing_after_the_stop_is_written(write: Write) -> None:
    writing = write(SPEED, PANEL)
    writing.take(log(2_000, 1), log(2_001, 2))
    writing.take(events(2_000, [1]), events(2_001, [2]), topic="detector")

    with writing.finish() as file:
        assert read(file, "speed/time", "panel/event_time_zero") == [[2_000], [2_000]]


@pytest.mark.parametrize("flushed", [False, True])
def test_what_was_written_before_an_earlier_stop_was_set_is_removed(write: Write, flushed: bool) -> None:
    writing = write(SPEED, PANEL, stop_ns=2**62)
    writing.take(log(1_100, 1), log(1_900, 9), log(1_200, 3), alarm(1_300), alarm(1_800))
    writing.take(events(1_100, [1, 2]), events([1_400, 1_600], [3, 4, 5], index=[0, 1]), events(1_700, [6]), topic="detector")
    if flushed:
        writing.router.flush()
    writing.router.set_stop(1_500)

    with writing.finish() as file:
        assert read(file, "speed/time", "speed/value", "speed/alarm_time") == [[1_100, 1_200], [1, 3], [1_300]]
        assert file["speed/maximum_value"][()] == 3
        assert read(file, "panel/event_time_zero", "panel/event_index") == [[1_100, 1_400, 1_600], [0, 2, 3]]
        assert read(file, "panel/event_time_offset", "panel/event_id") == [[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]]
    assert writing.drops.counts == {reasons.OUTSIDE_WINDOW: 3}


def test_removing_late_events_in_the_middle_keeps_the_index_right(write: Write) -> None:
    writing = write(PANEL, stop_ns=2**62)
    writing.take(events(1_100, [1, 2]), events(1_700, [3]), events(1_200, [4, 5]), events(1_800, [6]), topic="detector")
    writing.router.set_stop(1_500)

    with writing.finish() as file:
        assert read(file, "panel/event_time_zero", "panel/event_index") == [[1_100, 1_200], [0, 2]]
        assert read(file, "panel/event_time_offset", "panel/event_id") == [[1, 2, 4, 5], [1, 2, 4, 5]]


def test_every_drop_is_counted_under_its_reason(write: Write) -> None:
    writing = write(SPEED)
    good = log(1_100)
    writing.take(good, log(1_100), log(0), log(3_000), log(1_200, source="other"))
    writing.take(b"", None, b"\0\0\0\0f144", b"\0\0\0\0zz99\0\0\0\0", good[:-3], events(1_100, [1]), b"\0\0\0\0ev44junk")

    with writing.finish() as file:
        assert read(file, "speed/time") == [[1_100]]
    assert writing.drops.counts == {
        reasons.SAME_TIME: 1,
        reasons.TIME_ZERO: 1,
        reasons.OUTSIDE_WINDOW: 1,
        reasons.NOT_IN_JOB: 2,
        reasons.FAILED_VERIFICATION: 5,
        reasons.UNKNOWN_SCHEMA: 1,
    }


def test_hostile_messages_are_survived_and_accounted_for(write: Write) -> None:
    writing = write(SPEED, PANEL)
    hostile = [payload for _name, payload in HOSTILE]
    for topic in ("motion", "detector"):
        writing.take(*hostile, topic=topic)
        writing.take(*hostile, topic=topic, partition=1)
    writing.take(log(1_100))

    with writing.finish() as file:
        assert read(file, "speed/time") == [[1_100]]
    assert writing.drops.counts[reasons.FAILED_VERIFICATION] > 2 * len(hostile)


@pytest.mark.parametrize("message", [log(1_100), alarm(1_100, "HIHI"), connection(1_100), events([1_100, 1_200], [1, 2, 3], index=[0, 1])])
def test_corrupted_messages_are_survived_and_accounted_for(write: Write, message: bytes) -> None:
    panel = compose.group("panel", "NXdetector", compose.stream("ev44", topic="motion", source="panel"))
    writing = write(SPEED, panel, stop_ns=2**62)
    for portion in range(10):
        writing.take(*corruptions(message, seed=portion, n=50))
    writing.router.set_stop(1_500)

    writing.finish().close()
    assert writing.drops.counts[reasons.FAILED_VERIFICATION] > 100


def test_readers_can_follow_a_file_that_is_written(write: Write) -> None:
    from testbeam.nexus.files import opened

    writing = write(SPEED)
    with opened(writing.file.path, growing=True) as reader:
        writing.take(log(1_100))
        writing.router.flush()
        writing.file.flush()
        reader["speed/time"].refresh()
        assert reader["speed/time"][:].tolist() == [1_100]


messages = st.lists(st.tuples(st.sampled_from("abc"), st.integers(900, 2_100), st.integers(-5, 5)), max_size=25)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(batches=st.lists(messages, max_size=4), flushes=st.booleans())
def test_the_file_holds_each_source_as_the_rules_say(write: Write, batches: list[list[tuple[str, int, int]]], flushes: bool) -> None:
    writing = write(*(compose.log(name, topic="motion", source=name, dtype="int32") for name in "abc"))
    for batch in batches:
        writing.take(*(log(time, np.int32(value), source=name) for name, time, value in batch))
        if flushes:
            writing.router.flush()

    with writing.finish() as file:
        for name in "abc":
            of_source = [(time, value) for batch in batches for source, time, value in batch if source == name]
            in_file = list(zip(*read(file, f"{name}/time", f"{name}/value"), strict=True))
            inside = [
                item
                for before, item in zip([(0, 0), *of_source], of_source, strict=False)
                if 1_000 <= item[0] <= 2_000 and item[0] != before[0]
            ]
            assert [item for item in in_file if item[0] >= 1_000] == inside
            early = [time for time, _ in itertools.takewhile(lambda item: item[0] < 1_000, of_source)]
            assert [time for time, _ in in_file if time < 1_000] == ([max(early)] if early else [])
    writing.file.path.unlink()
