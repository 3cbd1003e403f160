"""The cache, by bare lines: tells, asks, subscriptions, expiry, locks; garbage costs nobody else anything."""

import os
import random
import socket
import time
from collections.abc import Callable

import pytest

Connect = Callable[[str], socket.socket]


class Lines:
    """A bare connection to the cache."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""

    def send(self, *lines: str) -> None:
        """Send lines."""
        self._connection.sendall("".join(f"{line}\n" for line in lines).encode())

    def ask(self, line: str) -> list[str]:
        """Return the answers up to the end marker."""
        self.send(line, "###?")
        found: list[str] = []
        while (answer := self.line()) != "###!":
            found.append(answer)
        return found

    def synchronise(self) -> None:
        """Wait until what was sent before is taken in."""
        self.send("#sync#?")
        assert self.line() == "#sync#!"

    def line(self, within_s: float = 30) -> str:
        """Return the next line without its end."""
        end_s = time.monotonic() + within_s
        while b"\n" not in self._buffer:
            self._connection.settimeout(max(end_s - time.monotonic(), 0.001))
            data = self._connection.recv(4096)
            if not data:
                raise ConnectionError("closed")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode().rstrip("\r")


@pytest.fixture
def cache(connect: Connect) -> Lines:
    return Lines(connect("cache"))


@pytest.fixture
def key() -> str:
    return f"nicos/test{random.randrange(10**9)}/value"


def test_what_is_told_is_answered(cache: Lines, key: str) -> None:
    cache.send(f"{key}=5.5")

    assert cache.ask(f"{key}?") == [f"{key}=5.5"]


def test_an_unknown_key_is_answered_without_a_value(cache: Lines, key: str) -> None:
    assert cache.ask(f"{key}?") == [f"{key}!"]


def test_a_time_is_kept(cache: Lines, key: str) -> None:
    cache.send(f"1327504784.71@{key}=1")

    (answer,) = cache.ask(f"@{key}?")
    time_text, _, rest = answer.partition("@")
    assert float(time_text) == pytest.approx(1327504784.71)
    assert rest == f"{key}=1"


def test_an_empty_value_deletes(cache: Lines, key: str) -> None:
    cache.send(f"{key}=1", f"{key}=")

    assert cache.ask(f"{key}?") == [f"{key}!"]


@pytest.mark.parametrize("value", ["0", "0.0", "False", "''", "()", "None"])
def test_values_that_are_nothing_are_values(cache: Lines, key: str, value: str) -> None:
    cache.send(f"{key}={value}")

    assert cache.ask(f"{key}?") == [f"{key}={value}"]


def test_keys_are_found_by_their_parts(cache: Lines, key: str) -> None:
    cache.send(f"{key}=1", f"{key.replace('value', 'status')}=2")

    assert sorted(cache.ask(f"{key.rpartition('/')[0]}/*")) == sorted([f"{key}=1", f"{key.replace('value', 'status')}=2"])


def test_a_subscriber_is_told_once_and_the_teller_is_not(cache: Lines, connect: Connect, key: str) -> None:
    other = Lines(connect("cache"))
    category = key.rpartition("/")[0]
    other.send(f"{category}:", f"{key}:")
    other.synchronise()
    cache.send(f"{category}:", f"{key}=1", f"{key}=1", f"{key}=2")

    assert [other.line(), other.line()] == [f"{key}=1", f"{key}=2"]
    assert cache.ask(f"{key}?") == [f"{key}=2"]


def test_a_value_expires_for_askers_and_subscribers(cache: Lines, connect: Connect, key: str) -> None:
    other = Lines(connect("cache"))
    other.send(f"{key}:")
    other.synchronise()
    cache.send(f"+0.2@{key}=1")

    assert other.line() == f"{key}=1"
    assert other.line(within_s=20) == f"{key}!1"
    assert cache.ask(f"{key}?") == [f"{key}!1"]


def test_a_lock_has_one_holder(cache: Lines, connect: Connect, key: str) -> None:
    other = Lines(connect("cache"))

    assert cache.ask(f"{key}$+me") == [f"{key}$"]
    assert other.ask(f"{key}$+you") == [f"{key}$me"]
    assert cache.ask(f"{key}$+me") == [f"{key}$"]
    assert cache.ask(f"{key}$-me") == [f"{key}$"]
    assert other.ask(f"{key}$+you") == [f"{key}$"]


def test_a_key_is_copied_where_it_is_asked_for(cache: Lines, key: str) -> None:
    category = key.rpartition("/")[0]
    cache.send(f"{category}copy~{category}", f"{key}=7")

    assert cache.ask(f"{category}copy/value?") == [f"{category}copy/value=7"]
    cache.send(f"{category}copy~")


def test_markers_are_answered(cache: Lines) -> None:
    cache.send("#sync#?")

    assert cache.line() == "#sync#!"


@pytest.mark.parametrize("garbage", [b"\n", b"no operator here\n"])
def test_garbage_closes_its_own_connection_only(connect: Connect, cache: Lines, key: str, garbage: bytes) -> None:
    broken = connect("cache")
    broken.sendall(garbage)
    broken.settimeout(30)

    assert broken.recv(100) == b""
    cache.send(f"{key}=1")
    assert cache.ask(f"{key}?") == [f"{key}=1"]


def test_random_bytes_are_survived(connect: Connect, cache: Lines, key: str) -> None:
    noise = random.Random(15)
    for _ in range(10_000 if os.environ.get("TESTBEAM_SOAK") else 1_000):
        with connect("cache") as broken:
            broken.sendall(noise.randbytes(noise.randrange(1, 300)))
    cache.send(f"{key}=1")

    assert cache.ask(f"{key}?") == [f"{key}=1"]
