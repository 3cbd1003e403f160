"""What the cache holds and says, by its lines; time is given."""

import random
from collections.abc import Sequence

import pytest

from testbeam.services.control.cache.core import Core

NOW = 1000.0


class Cache:
    """A core with clients by number."""

    def __init__(self, history: int = 10) -> None:
        self.core = Core(history)
        for client in (1, 2, 3):
            self.core.join(client)

    def say(self, client: int, *lines: str, at: float = NOW) -> list[str]:
        """Take lines of a client and return all that it is sent."""
        assert self.core.take(client, lines, at)
        return self.sent(client)

    def sent(self, client: int) -> list[str]:
        lines = self.core.clients[client].lines
        sent = [line.rstrip("\n") for line in lines]
        lines.clear()
        return sent


@pytest.fixture
def cache() -> Cache:
    return Cache()


def test_an_expired_key_is_answered_with_its_value_and_a_deleted_one_without(cache: Cache) -> None:
    cache.say(1, "5+10@a/value=7", "5@b/value=8", "b/value=")

    assert cache.say(1, "a/value?", "b/value?", "c/value?") == ["a/value!7", "b/value!", "c/value!"]


def test_an_answer_bears_time_and_ttl_where_it_is_asked_for(cache: Cache) -> None:
    cache.say(1, "999.5+10@a/value=7")

    assert cache.say(1, "@a/value?") == ["999.5+10@a/value=7"]
    assert cache.say(1, "a/value?") == ["a/value=7"]


def test_an_equal_value_is_no_update_unless_the_stored_one_has_a_ttl(cache: Cache) -> None:
    cache.say(2, "a:")
    cache.say(1, "a/x=1", "a/x=1")
    assert cache.sent(2) == ["a/x=1"]

    cache.say(1, "999+60@a/x=1", "a/x=1", "a/x=1")
    assert cache.sent(2) == ["a/x=1", "a/x=1"]


def test_a_value_not_to_be_stored_is_always_told(cache: Cache) -> None:
    cache.say(2, "a:")
    cache.say(1, "a/x#=1", "a/x#=1")

    assert cache.sent(2) == ["a/x=1", "a/x=1"]


def test_the_teller_is_not_told(cache: Cache) -> None:
    cache.say(1, "a:")
    cache.say(2, "a:")

    assert cache.say(1, "a/x=1", "a/x?") == ["a/x=1"]
    assert cache.sent(2) == ["a/x=1"]


def test_two_fitting_subscriptions_give_one_line(cache: Cache) -> None:
    cache.say(2, "a:", "@a/x:", "x:")
    cache.say(1, "5@a/x=1")

    assert cache.sent(2) == ["5@a/x=1"]


def test_a_subscription_ends(cache: Cache) -> None:
    cache.say(2, "a:", "a|")
    cache.say(1, "a/x=1")

    assert cache.sent(2) == []


def test_expiry_is_told_once(cache: Cache) -> None:
    cache.say(2, "a:")
    cache.say(1, "1000+5@a/x=1")
    cache.sent(2)

    assert cache.core.expire(1004.0) == 1005.0
    cache.core.expire(1006.0)
    cache.core.expire(1007.0)
    assert cache.sent(2) == ["a/x!1"]


def test_a_renewed_value_does_not_expire_by_its_old_ttl(cache: Cache) -> None:
    cache.say(2, "a:")
    cache.say(1, "1000+5@a/x=1", "1003+5@a/x=1")
    cache.sent(2)
    cache.core.expire(1006.0)

    assert cache.sent(2) == []
    assert cache.say(1, "a/x?", at=1006.0) == ["a/x=1"]


def test_a_key_told_to_be_expired_is_so_for_all(cache: Cache) -> None:
    cache.say(2, "a:")
    cache.say(1, "a/x=1", "a/x!")
    cache.core.expire(NOW + 1)

    assert cache.say(3, "a/x?", at=NOW + 1) == ["a/x!1"]
    assert cache.sent(2)[-1] == "a/x!1"


def test_history_gives_the_value_before_the_time_first(cache: Cache) -> None:
    cache.say(1, *(f"{time}@a/x={time}" for time in (10, 20, 30, 40)))

    assert [line.rpartition("=")[2] for line in cache.say(1, "25-45@a/x?")] == ["20", "30", "40"]
    assert [line.rpartition("=")[2] for line in cache.say(1, "25+5@a/x?")] == ["20", "30"]
    assert [line.rpartition("=")[2] for line in cache.say(1, "5-45@a/x?15")] == ["10", "30"]


def test_a_deletion_is_in_the_history(cache: Cache) -> None:
    cache.say(1, "10@a/x=1", "20@a/x=")

    assert [line.rpartition("=")[2] for line in cache.say(1, "5-45@a/x?")] == ["1", "None"]


def test_history_is_bounded() -> None:
    cache = Cache(history=3)
    cache.say(1, *(f"{time}@a/x={time}" for time in range(1, 20)))

    assert len(cache.say(1, "1-100@a/x?")) == 3
    assert Cache(history=0).say(1, "5@a/x=1", "1-100@a/x?") == []


def test_a_lock_is_granted_again_to_its_holder_and_runs_out(cache: Cache) -> None:
    assert cache.say(1, "+5@l$+me", "+5@l$+me", "l$+you") == ["l$", "l$", "l$me"]
    assert cache.say(2, "l$-you") == ["l$me"]
    assert cache.say(2, "l$+you", at=NOW + 6) == ["l$"]


def test_a_copied_category_gets_every_key_until_it_is_ended(cache: Cache) -> None:
    cache.say(1, "b~a", "a/x=1")
    assert cache.say(1, "b/x?") == ["b/x=1"]

    cache.say(1, "b~", "a/x=2")
    assert cache.say(1, "b/x?") == ["b/x=1"]


@pytest.mark.parametrize("lines", [("",), ("a/x=1", "no operator"), ("l$me",), ("l$",)])
def test_garbage_ends_the_connection_after_what_came_before(cache: Cache, lines: Sequence[str]) -> None:
    assert not cache.core.take(1, lines, NOW)
    assert cache.core.garbled == 1


def test_a_client_that_left_is_told_no_more(cache: Cache) -> None:
    cache.say(2, "a:")
    cache.core.leave(2)
    cache.say(1, "a/x=1")

    assert 2 not in cache.core.clients


def test_random_lines_never_raise(cache: Cache) -> None:
    noise = random.Random(14)
    alphabet = "ab/=?*:|!$~@+-.0123456789# eE"
    for _ in range(3000):
        cache.core.take(1, ["".join(noise.choices(alphabet, k=noise.randrange(0, 25)))], NOW)


def test_a_client_cannot_fill_the_memory_with_keys_or_values() -> None:
    core = Core(history=10, most_bytes=100_000)
    core.join(1)
    assert core.take(1, [f"a/key{n}={'x' * 100}" for n in range(1000)], 1.0)
    kept = len(core.entries)
    assert 50 < kept < 150
    assert core.refused == 1000 - kept
    assert core.stored_bytes <= 100_000

    assert core.take(1, ["a/key0=short", "a/key0=shorter", f"a/key0={'y' * 90_000}"], 2.0)
    assert core.entries["a/key0"].value == "shorter"
    assert core.refused == 1000 - kept + 1


def test_what_is_deleted_makes_room_and_the_sum_is_right() -> None:
    rng = random.Random(3)
    core = Core(history=0, most_bytes=20_000)
    core.join(1)
    for step in range(5000):
        core.take(1, [f"a/k{rng.randrange(60)}={'v' * rng.choice((0, 0, 10, 500))}"], float(step))
    assert core.stored_bytes <= 20_000
    assert core.refused

    core.take(1, [f"a/k{n}=" for n in range(60)], 6000.0)
    assert (core.entries, core.stored_bytes) == ({}, 0)


def test_the_sum_with_history_is_what_is_there() -> None:
    core = Core(history=3)
    core.join(1)
    rng = random.Random(5)
    for step in range(2000):
        core.take(1, [f"a/k{rng.randrange(9)}{rng.choice(('', '#'))}={'v' * rng.choice((0, 1, 50, 500))}"], float(step))

    there = sum(len(e.value) + sum(len(value) for _, value in e.history or ()) for e in core.entries.values())
    texts = sum(map(len, core.entries))
    assert (core.stored_bytes - there - texts) % len(core.entries) == 0, "each key adds the same beside its text"


def test_a_ttl_that_is_renewed_for_ever_takes_no_memory() -> None:
    core = Core(history=0)
    core.join(1)
    for step in range(40_000):
        core.take(1, [f"+1e9@a/k={step}"], float(step))

    assert len(core._expiries) < 20_000
    core.take(1, ["40000+1@a/k=last"], 40_000.0)
    core.expire(40_002.0)
    assert core.entries["a/k"].expired


def test_a_key_of_any_length_and_locks_without_end_are_refused() -> None:
    core = Core()
    core.join(1)
    assert not core.take(1, [f"{'k' * 5000}=1"], 1.0)
    assert not core.take(1, [f"{'k' * 5000}:"], 1.0)
    assert core.take(1, [f"lock{n}$+me" for n in range(100_000)], 1.0)
    assert not core.take(1, ["another$+me"], 1.0)
    assert core.take(1, ["another$+me"], 10_000.0), "those that have run out make room"
