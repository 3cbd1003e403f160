import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam.errors import SettingsError
from testbeam.services.forwarder.repeats import Repeats

VOLT = 1


def test_a_silent_stream_is_repeated_once_a_period() -> None:
    repeats = Repeats(period_ms=100)
    repeats.sent(VOLT, b"42", now_ms=0)

    assert list(repeats.take_due(now_ms=99)) == []
    assert list(repeats.take_due(now_ms=100)) == [(VOLT, b"42")]
    assert list(repeats.take_due(now_ms=199)) == []
    assert list(repeats.take_due(now_ms=200)) == [(VOLT, b"42")]


def test_an_update_postpones_the_repeat_and_replaces_its_payload() -> None:
    repeats = Repeats(period_ms=100)
    repeats.sent(VOLT, b"42", now_ms=0)
    repeats.sent(VOLT, b"43", now_ms=60)

    assert list(repeats.take_due(now_ms=100)) == list(repeats.take_due(now_ms=159)) == []
    assert list(repeats.take_due(now_ms=160)) == [(VOLT, b"43")]


def test_a_late_look_repeats_once_not_once_for_each_period() -> None:
    repeats = Repeats(period_ms=100)
    repeats.sent(VOLT, b"42", now_ms=0)

    assert list(repeats.take_due(now_ms=1_000)) == [(VOLT, b"42")]
    assert list(repeats.take_due(now_ms=1_099)) == []
    assert list(repeats.take_due(now_ms=1_100)) == [(VOLT, b"42")]


def test_a_removed_stream_is_never_repeated() -> None:
    repeats = Repeats(period_ms=100)
    repeats.sent(VOLT, b"42", now_ms=0)
    repeats.removed(VOLT)

    assert list(repeats.take_due(now_ms=1_000)) == list(repeats.take_due(now_ms=1_000_000)) == []


def test_a_stream_that_stopped_and_starts_again_is_repeated_once_a_period() -> None:
    repeats = Repeats(period_ms=100)
    repeats.sent(VOLT, b"42", now_ms=0)
    repeats.removed(VOLT)
    repeats.sent(VOLT, b"43", now_ms=50)

    assert list(repeats.take_due(now_ms=150)) == [(VOLT, b"43")]
    assert list(repeats.take_due(now_ms=249)) == []
    assert list(repeats.take_due(now_ms=250)) == [(VOLT, b"43")]


def test_the_error_names_the_option_its_value_and_the_way_out() -> None:
    with pytest.raises(SettingsError, match=r"pv-update-period.*0.*leave it out"):
        Repeats(period_ms=0)


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 500)), max_size=50), st.integers(500, 2_000))
def test_whatever_was_sent_each_stream_comes_up_at_most_once_a_look(sent: list[tuple[int, int]], now_ms: int) -> None:
    repeats = Repeats(period_ms=100)
    for stream, at_ms in sorted(sent, key=lambda s: s[1]):
        repeats.sent(stream, b"", at_ms)

    due = [stream for stream, _ in repeats.take_due(now_ms)]

    assert sorted(due) == sorted({stream for stream in dict(sent) if max(at for s, at in sent if s == stream) + 100 <= now_ms})


@given(st.lists(st.integers(1, 30), max_size=100))
def test_a_fast_stream_has_one_entry_in_the_heap(steps_ms: list[int]) -> None:
    repeats = Repeats(period_ms=100)
    now_ms = 0
    for step_ms in steps_ms:
        now_ms += step_ms
        repeats.sent(VOLT, b"", now_ms)
        list(repeats.take_due(now_ms))

    assert len(repeats._due) <= 1
