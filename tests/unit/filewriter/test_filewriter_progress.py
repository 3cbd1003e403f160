from testbeam.services.filewriter.data_reader import Partition, Progress

PLACE = ("motion", 0)


def progress(next_offset: int = 5) -> Progress:
    return Progress(leeway_ms=100, open={PLACE: Partition(next_offset)})


def ended(p: Progress, stop_ms: int | None, now_ms: int, *, sources_gone: bool = False, at_end: bool = False) -> bool:
    return p.ended(PLACE, stop_ms, now_ms, sources_gone=sources_gone, at_end=at_end)


def is_due(p: Progress, now_ms: int, *, sources_done: bool = False) -> bool:
    return p.is_due(PLACE, 1_000, now_ms, sources_done=sources_done)


def test_nothing_ends_without_a_stop_or_before_it() -> None:
    p = progress()
    p.open[PLACE].end_offset = 5

    assert not ended(p, None, 10**9, sources_gone=True, at_end=True)
    assert not ended(p, 1_000, 1_000, sources_gone=True)
    assert not p.is_due(PLACE, None, 10**9, sources_done=True)


def test_a_partition_ends_when_its_sources_are_far_past_the_stop() -> None:
    assert ended(progress(), 1_000, 1_001, sources_gone=True)


def test_the_end_is_asked_for_once_nothing_more_can_belong_to_the_job() -> None:
    p = progress()
    assert not is_due(p, 1_100)
    assert is_due(p, 1_101)

    p.open[PLACE].end_offset = 8
    assert not is_due(p, 1_102)


def test_the_end_is_asked_for_as_soon_as_all_sources_came_past_the_stop() -> None:
    assert not is_due(progress(), 1_000, sources_done=True)
    assert is_due(progress(), 1_001, sources_done=True)


def test_a_partition_ends_when_all_up_to_its_end_was_read() -> None:
    p = progress()
    p.open[PLACE].end_offset = 8
    assert not ended(p, 1_000, 1_102)

    p.open[PLACE].next_offset = 8
    assert ended(p, 1_000, 1_102)


def test_an_empty_partition_is_harmless() -> None:
    p = progress()
    p.open[PLACE].end_offset = 5

    assert ended(p, 1_000, 1_102)


def test_a_partition_that_ends_in_transaction_marks_ends_when_kafka_says_so() -> None:
    p = progress()
    is_due(p, 1_101)
    p.open[PLACE].end_offset = 6

    assert not ended(p, 1_000, 2_000, at_end=True)
    assert ended(p, 1_000, 2_102, at_end=True)


def test_a_partition_that_is_never_read_to_its_end_is_named() -> None:
    p = progress()
    is_due(p, 1_101)
    p.open[PLACE].end_offset = 9

    assert p.overdue(30_000, 1_101) == p.overdue(30_000, 31_101) == []
    assert p.overdue(30_000, 31_102) == ["motion[0] was read to 5 of 9"]


def test_a_partition_whose_end_nobody_tells_is_named_too() -> None:
    p = progress()
    is_due(p, 1_101)
    is_due(p, 20_000)

    assert p.overdue(30_000, 1_101) == []
    assert p.overdue(30_000, 31_102) == ["motion[0] was read to 5 of nobody knows how many"]


def test_a_partition_that_gets_on_is_never_stuck_however_long_it_takes() -> None:
    p = progress()
    is_due(p, 1_101)
    p.open[PLACE].end_offset = 1_000

    for number in range(10, 100):
        p.open[PLACE].next_offset = number + 1
        assert p.overdue(30_000, 20_000 * number) == []
    assert p.overdue(30_000, 20_000 * 99 + 30_001) == ["motion[0] was read to 100 of 1000"]
