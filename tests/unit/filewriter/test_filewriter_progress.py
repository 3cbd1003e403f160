import pytest

from testbeam.services.filewriter.progress import Partition, Progress

PLACE = ("motion", 0)


def progress() -> Progress:
    return Progress(leeway_ms=100, open={PLACE: Partition(5)})


def ended(p: Progress, stop_ms: int | None, now_ms: int, *, sources_done: bool = False, at_end: bool = False) -> bool:
    return p.ended(PLACE, stop_ms, now_ms, sources_done=sources_done, at_end=at_end)


def test_nothing_ends_without_a_stop_or_before_it() -> None:
    p = progress()
    p.read(PLACE, 7, kafka_ms=10_000)

    assert not ended(p, None, 10**9, sources_done=True, at_end=True)
    assert not ended(p, 1_000, 1_000, sources_done=True)


def test_a_partition_ends_when_its_sources_are_done() -> None:
    assert ended(progress(), 1_000, 1_001, sources_done=True)


@pytest.mark.parametrize(("kafka_ms", "over"), [(1_100, False), (1_101, True)])
def test_a_partition_ends_when_kafka_time_passes_stop_and_leeway(kafka_ms: int, over: bool) -> None:
    p = progress()
    p.read(PLACE, 7, kafka_ms)

    assert ended(p, 1_000, 1_200) is over


def test_a_kafka_time_ahead_of_now_ends_nothing() -> None:
    p = progress()
    p.read(PLACE, 7, kafka_ms=9_999)

    assert not ended(p, 1_000, 1_200)


def test_the_end_is_asked_for_once_and_only_when_nothing_more_can_belong_to_the_job() -> None:
    p = progress()
    assert p.to_ask(1_000, 1_100) == []
    assert p.to_ask(1_000, 1_101) == [PLACE]

    p.answered(PLACE, 8)
    assert p.to_ask(1_000, 1_102) == []


def test_a_partition_ends_when_all_up_to_its_end_was_read() -> None:
    p = progress()
    p.answered(PLACE, 8)
    assert not ended(p, 1_000, 1_102)

    p.read(PLACE, 7, kafka_ms=900)
    assert ended(p, 1_000, 1_102)


def test_an_empty_partition_is_harmless() -> None:
    p = progress()
    p.answered(PLACE, 5)

    assert ended(p, 1_000, 1_102)


def test_a_partition_that_ends_in_transaction_marks_ends_when_kafka_says_so() -> None:
    p = progress()
    p.to_ask(1_000, 1_101)
    p.answered(PLACE, 6)

    assert not ended(p, 1_000, 2_000, at_end=True)
    assert ended(p, 1_000, 2_102, at_end=True)


def test_a_partition_that_is_never_read_to_its_end_is_named() -> None:
    p = progress()
    p.to_ask(1_000, 1_101)
    p.answered(PLACE, 9)

    assert p.stuck(30_000, 1_101) == p.stuck(30_000, 31_101) == []
    assert p.stuck(30_000, 31_102) == ["motion[0] was read to 5 of 9"]


def test_a_partition_whose_end_nobody_tells_is_named_too() -> None:
    p = progress()
    p.to_ask(1_000, 1_101)
    p.to_ask(1_000, 20_000)

    assert p.stuck(30_000, 1_101) == []
    assert p.stuck(30_000, 31_102) == ["motion[0] was read to 5 of nobody knows how many"]


def test_a_partition_that_gets_on_is_never_stuck_however_long_it_takes() -> None:
    p = progress()
    p.to_ask(1_000, 1_101)
    p.answered(PLACE, 1_000)

    for number in range(10, 100):
        p.read(PLACE, number, 500)
        assert p.stuck(30_000, 20_000 * number) == []
    assert p.stuck(30_000, 20_000 * 99 + 30_001) == ["motion[0] was read to 100 of 1000"]
