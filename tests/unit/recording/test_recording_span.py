import pytest

from testbeam.errors import SettingsError
from testbeam.kafkatools.recording_span import Progress, Span
from tests.unit.recording.recordings import batch, message

A, B = ("detector", 0), ("detector", 1)


def offsets(taken: object) -> list[int]:
    return taken.offset.tolist()  # type: ignore[attr-defined,no-any-return]


def test_without_an_end_everything_is_taken() -> None:
    progress = Progress([A], {A: 0})

    assert offsets(progress.take(batch([message(0), message(1)]), None)) == [0, 1]
    assert not progress.is_complete({A})


def test_nothing_at_or_after_the_end_of_its_partition_is_taken() -> None:
    progress = Progress([A, B], {A: 0, B: 0})
    progress.end_at({A: 2, B: 1})

    taken = progress.take(batch([message(0), message(0, partition=1), message(1), message(2), message(1, partition=1)]), None)

    assert [row.place for row in taken.messages()] == ["0@0", "1@0", "0@1"]
    assert progress.is_complete(set())


def test_it_is_complete_when_every_partition_has_reached_its_end() -> None:
    progress = Progress([A, B], {A: 0, B: 0})
    progress.end_at({A: 2, B: 1})
    progress.take(batch([message(1), message(0, partition=1)]), None)

    assert progress.is_complete(set())


def test_a_partition_whose_last_offsets_hold_no_message_is_complete_at_its_end() -> None:
    progress = Progress([A, B], {A: 0, B: 5})
    progress.end_at({A: 3, B: 5})
    progress.take(batch([message(0), message(1, partition=0)]), None)

    assert not progress.is_complete(set())
    assert progress.is_complete({A})


def test_an_empty_span_is_complete_before_anything_came() -> None:
    progress = Progress([A], {A: 7})
    progress.end_at({A: 7})

    assert progress.is_complete(set())


def test_no_more_than_asked_for_is_taken() -> None:
    progress = Progress([A], {A: 0})

    assert offsets(progress.take(batch([message(number) for number in range(5)]), 3)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("span", "is_it"),
    [
        (Span(), False),
        (Span(from_ms=0), True),
        (Span(from_ms=5), True),
        (Span(from_ms=5, for_s=1), False),
        (Span(from_ms=5, to_ms=6), False),
        (Span(from_ms=5, idle_s=1), False),
        (Span(from_ms=5, messages=1), False),
    ],
)
def test_from_the_past_without_an_end_is_what_is_there(span: Span, is_it: bool) -> None:
    assert span.is_what_is_there is is_it


@pytest.mark.parametrize(
    ("given", "option"),
    [({"for_s": 0}, "for_s"), ({"idle_s": -1}, "idle_s"), ({"messages": 0}, "messages"), ({"from_ms": 5, "to_ms": 5}, "to_ms")],
)
def test_a_span_that_holds_nothing_is_refused(given: dict[str, int], option: str) -> None:
    with pytest.raises(SettingsError, match=option):
        Span(**given)
