from functools import partial

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from testbeam.services.filewriter.stream_writer import Taken, Window


def window(**changes: object) -> Window:
    given: dict[str, object] = {"start_ns": 100, "stop_ns": 200, "n_slots": 3, "n_partitions": 2} | changes
    return Window(**given)  # type: ignore[arg-type]


def take(w: Window, *messages: tuple[int, int], partition: int = 0) -> Taken:
    slots, times = zip(*messages, strict=True)
    return w.take(partition, np.array(slots, np.int32), np.array(times, np.int64))


def test_the_window_includes_its_start_and_its_stop() -> None:
    taken = take(window(), (0, 99), (0, 100), (0, 200), (0, 201))

    assert taken.rows.tolist() == [1, 2]
    assert taken.outside == 1  # 201; 99 is kept as the value before the start


def test_equal_times_are_dropped_and_the_first_wins() -> None:
    w = window()

    assert take(w, (0, 150), (1, 150), (0, 150)).rows.tolist() == [0, 1]
    later = take(w, (0, 150), (0, 151))
    assert (later.rows.tolist(), later.same_time) == ([1], 1)


def test_equal_times_are_accepted_where_a_module_says_so() -> None:
    assert take(window(repeats=True), (0, 150), (0, 150)).rows.tolist() == [0, 1]


def test_order_counts_only_within_a_partition() -> None:
    w = window()
    take(w, (0, 150), partition=0)

    assert take(w, (0, 150), partition=1).rows.tolist() == [0]


def test_a_message_older_than_the_one_before_is_taken_and_counted() -> None:
    taken = take(window(), (0, 150), (0, 140), (0, 145))

    assert taken.rows.tolist() == [0, 1, 2]
    assert taken.older == 1


def test_the_newest_value_before_the_start_is_kept_and_of_equal_ones_the_first() -> None:
    taken = take(window(), (0, 90), (0, 95), (0, 95), (0, 80), (1, 10))

    assert taken.before.tolist() == [1, 4]
    assert taken.outside == 3


def test_a_newer_value_before_the_start_replaces_the_one_kept() -> None:
    w = window()
    take(w, (0, 90))

    newer, older = take(w, (0, 95)), take(w, (0, 92))
    assert (newer.before.tolist(), newer.outside) == ([0], 1)
    assert (older.before.tolist(), older.outside) == ([], 1)


def test_of_equal_values_before_the_start_that_of_the_lowest_partition_counts() -> None:
    w = window()
    take(w, (0, 90), partition=1)

    assert take(w, (0, 90), partition=1).before.tolist() == []
    assert take(w, (0, 90), partition=0).before.tolist() == [0]


def test_a_value_before_the_start_counts_only_until_its_partition_has_a_later_one() -> None:
    w = window()
    first = take(w, (0, 300), (0, 90), partition=0)

    assert (first.before.tolist(), first.outside) == ([], 2)
    assert take(w, (0, 95), partition=0).before.tolist() == []
    assert take(w, (0, 80), partition=1).before.tolist() == [0]


def test_what_comes_after_a_stop_that_may_still_be_moved_is_taken() -> None:
    w = window(fixed=False)

    assert take(w, (0, 150), (0, 999)).rows.tolist() == [0, 1]
    w.fixed = True
    assert take(w, (0, 160), (0, 999)).rows.tolist() == [0]


def test_a_partition_is_done_when_every_source_came_past_the_stop_in_it() -> None:
    w = window(n_slots=2)
    take(w, (0, 201))
    assert not w.done(0)
    take(w, (1, 300))
    assert w.done(0)
    assert w.done(0, beyond_ns=0)
    assert not w.done(0, beyond_ns=1)
    assert not w.done(1)


def test_a_source_is_past_the_stop_only_once_kafka_is_too() -> None:
    w = window(n_slots=1)
    slots, jumped = np.array([0], np.int32), np.array([10_000], np.int64)

    for kafka_ns in (150, 200):
        w.take(0, slots, jumped, partial(np.full_like, fill_value=kafka_ns))
        assert not w.done(0)
    w.take(0, slots, np.array([190], np.int64), lambda _rows: np.array([210]))  # late, and not past it
    assert not w.done(0)
    w.take(0, slots, np.array([201], np.int64), lambda _rows: np.array([211]))
    assert w.done(0)


def test_a_stop_that_is_moved_later_undoes_done() -> None:
    w = window(n_slots=1)
    take(w, (0, 201))
    w.stop_ns = 1000

    assert not w.done(0)


def test_a_source_that_came_the_leeway_past_the_stop_gives_nothing_more() -> None:
    w = window(leeway_ns=50)

    first = take(w, (0, 150), (0, 250), (0, 151), (0, 251), (0, 152), (1, 153))
    assert (first.rows.tolist(), first.after_stop, first.outside) == ([0, 2, 5], 1, 2)
    later = take(w, (0, 154), (1, 155))
    assert (later.rows.tolist(), later.after_stop) == ([1], 1)
    assert take(w, (0, 156), partition=1).rows.tolist() == [0]


def test_a_partition_can_be_added() -> None:
    w = window(n_partitions=1)
    take(w, (0, 150), (0, 201))
    w.add_partition()

    assert take(w, (0, 150), partition=1).rows.tolist() == [0]
    assert not w.done(1)


messages = st.lists(st.tuples(st.integers(0, 2), st.integers(90, 210)), max_size=30)


@given(st.lists(st.tuples(st.integers(0, 1), messages), max_size=5), st.booleans(), st.booleans())
def test_batches_give_what_one_message_at_a_time_gives(
    batches: list[tuple[int, list[tuple[int, int]]]], keeps: bool, repeats: bool
) -> None:
    fast = window(keeps_before=keeps, repeats=repeats)
    slow = Slow(keeps_before=keeps, repeats=repeats)
    dropped = 0
    for partition, batch in batches:
        if batch:
            taken = take(fast, *batch, partition=partition)
            dropped += taken.outside + taken.same_time
            by_slot = [[batch[row] for row in taken.rows if batch[row][0] == slot] for slot in range(3)]
            assert by_slot == slow.take(partition, batch)
    assert dropped == slow.dropped


class Slow:
    """The rules, one message at a time."""

    def __init__(self, *, keeps_before: bool, repeats: bool) -> None:
        self.keeps_before, self.repeats = keeps_before, repeats
        self.last: dict[tuple[int, int], int] = {}
        self.before: dict[int, tuple[int, int]] = {}
        self.begun: set[tuple[int, int]] = set()
        self.dropped = 0

    def take(self, partition: int, batch: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
        taken: list[list[tuple[int, int]]] = [[], [], []]
        for slot, time in batch:
            last = self.last.get((partition, slot))
            self.last[partition, slot] = time
            early = time < 100 and self.keeps_before and (partition, slot) not in self.begun
            if time >= 100:
                self.begun.add((partition, slot))
            if early and (time, -partition) > self.before.get(slot, (-1, 0)):
                self.dropped += slot in self.before
                self.before[slot] = (time, -partition)
            elif not 100 <= time <= 200 or (time == last and not self.repeats):
                self.dropped += 1
            else:
                taken[slot].append((slot, time))
        return taken
