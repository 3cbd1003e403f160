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
