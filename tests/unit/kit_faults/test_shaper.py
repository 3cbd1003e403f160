from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam.kit.faults.proxy.conditions import Conditions
from testbeam.kit.faults.proxy.shaper import Shaper

MS = 1_000_000


def shaper(random: float = 0.5, **words: float) -> Shaper:
    return Shaper(lambda: random, Conditions(**words))  # type: ignore[arg-type]


def delivered(one: Shaper) -> list[tuple[float, bytes]]:
    """Let time run; return each piece with the ms at which it may go."""
    pieces = []
    while (due_ns := one.due_ns()) is not None:
        piece = one.take(due_ns)
        assert piece is not None
        pieces.append((due_ns / MS, bytes(piece)))
    return pieces


def test_a_clear_link_passes_everything_on_at_once() -> None:
    one = shaper()
    one.put(b"abc", 5 * MS)

    assert delivered(one) == [(5, b"abc")]
    assert one.is_empty()


def test_latency_delays_each_piece_by_the_same() -> None:
    one = shaper(latency_ms=50)
    one.put(b"a", 0)
    one.put(b"b", 10 * MS)

    assert one.take(49 * MS) is None
    assert delivered(one) == [(50, b"a"), (60, b"b")]


@pytest.mark.parametrize(("random", "delay_ms"), [(0.0, 40), (0.5, 50), (1.0, 60)])
def test_jitter_moves_the_delay_both_ways(random: float, delay_ms: int) -> None:
    one = shaper(random, latency_ms=50, jitter_ms=10)
    one.put(b"a", 0)

    assert delivered(one) == [(delay_ms, b"a")]


def test_jitter_never_puts_bytes_out_of_order() -> None:
    numbers = iter([1.0, 0.0])
    one = Shaper(lambda: next(numbers), Conditions(latency_ms=50, jitter_ms=50))
    one.put(b"a", 0)
    one.put(b"b", 1 * MS)

    assert delivered(one) == [(100, b"a"), (100, b"b")]


def test_a_rate_takes_its_time_for_every_byte() -> None:
    one = shaper(rate_kbps=800)  # 100 bytes a ms
    one.put(bytes(2500), 0)
    one.put(bytes(100), 30 * MS)

    assert [(at_ms, len(piece)) for at_ms, piece in delivered(one)] == [(10, 1000), (20, 1000), (25, 500), (31, 100)]


def test_a_late_look_does_not_lower_the_rate() -> None:
    one = shaper(rate_kbps=800)
    one.put(bytes(3000), 0)

    assert [len(one.take(30 * MS) or b"") for _ in range(3)] == [1000, 1000, 1000]


def test_slices_go_one_after_the_other() -> None:
    one = shaper(slice_bytes=2, slice_delay_ms=5)
    one.put(b"abcde", 0)

    assert delivered(one) == [(0, b"ab"), (5, b"cd"), (10, b"e")]


def test_the_end_comes_behind_all_that_went_before_and_a_slow_close_later() -> None:
    one, slow = shaper(latency_ms=50), shaper(slow_close_ms=300)
    for each in (one, slow):
        each.put(b"a", 0)
        each.end(0)

    assert delivered(one) == [(50, b"a"), (50, b"")]
    assert delivered(slow) == [(0, b"a"), (300, b"")]


def test_what_is_under_way_waits_no_longer_once_the_link_is_better() -> None:
    one = shaper(rate_kbps=8)  # 1 byte a ms
    one.put(bytes(10_000), 0)
    one.take(10 * MS)
    one.reshape(Conditions(latency_ms=5), 20 * MS)

    assert sum(len(piece) for at_ms, piece in delivered(one) if at_ms <= 25) == 9_990


def test_a_worse_link_does_not_delay_what_is_under_way_already() -> None:
    one = shaper(latency_ms=5)
    one.put(b"a", 0)
    one.reshape(Conditions(latency_ms=500), 1 * MS)
    one.put(b"b", 1 * MS)

    assert delivered(one) == [(5, b"a"), (501, b"b")]


def test_there_is_room_until_the_link_is_full() -> None:
    one = shaper(rate_kbps=8)
    one.put(bytes(65535), 0)
    assert one.has_room()
    one.put(b"x", 0)
    assert not one.has_room()
    assert one.drop() == 65536
    assert one.has_room()
    assert one.is_empty()


links = st.builds(
    Conditions,
    latency_ms=st.floats(0, 50),
    jitter_ms=st.floats(0, 50),
    rate_kbps=st.sampled_from([0, 8, 8000]),
    slice_bytes=st.integers(0, 5),
    slice_delay_ms=st.floats(0, 2),
)


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=50), st.integers(0, 20), st.none() | links), max_size=20), links, st.randoms())
def test_whatever_the_link_is_and_becomes_all_bytes_come_in_their_order(
    sent: list[tuple[bytes, int, Conditions | None]], link: Conditions, random: Random
) -> None:
    one = Shaper(random.random, link)
    now_ns, got = 0, []
    for data, pause_ms, becomes in sent:
        now_ns += pause_ms * MS
        while (piece := one.take(now_ns)) is not None:
            got.append(bytes(piece))
        if becomes is not None:
            one.reshape(becomes, now_ns)
        one.put(data, now_ns)
    one.end(now_ns)
    rest = delivered(one)

    assert b"".join((*got, *(piece for _, piece in rest))) == b"".join(data for data, _, _ in sent)
    assert rest[-1][1] == b""
    assert all(before <= after for (before, _), (after, _) in pairwise(rest))
    assert one.waiting_bytes == 0
