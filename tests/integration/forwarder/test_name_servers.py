import socket
import time
from collections.abc import Iterator

import pytest

from testbeam.clients.waiting import wait_for_condition
from testbeam.transport.pva.name_servers import NameServers

S = 1_000_000_000


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that is bound and does not listen: whoever knocks is refused."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound


@pytest.fixture
def servers(listener: socket.socket) -> Iterator[NameServers]:
    watched = NameServers((listener.getsockname(),), period_ns=0)
    yield watched
    watched.close()


def greet(listener: socket.socket) -> None:
    """Accept a knock and say what a PVA server says first."""
    listener.settimeout(60)
    peer, _ = listener.accept()
    with peer:
        peer.sendall(b"\xca\x02\x41\x02\0\0\0\0")


def test_a_server_that_was_away_comes_back_when_it_speaks_not_when_it_listens(listener: socket.socket, servers: NameServers) -> None:
    servers.ask(0)
    assert not servers.some_came_back(1 * S)
    listener.listen()
    assert not any(servers.some_came_back(n * S) for n in range(2, 10))

    greet(listener)

    wait_for_condition(lambda: servers.some_came_back(time.monotonic_ns()), within_s=60)
    assert not servers.some_came_back(99 * S)  # told once


def test_a_server_that_answers_at_once_was_never_away(listener: socket.socket, servers: NameServers) -> None:
    listener.listen()
    servers.ask(0)
    greet(listener)

    assert not any(servers.some_came_back(n) for n in range(1, 200))


def test_after_a_lost_connection_the_next_answer_counts(listener: socket.socket, servers: NameServers) -> None:
    listener.listen()
    servers.ask(0)
    greet(listener)
    assert not any(servers.some_came_back(n) for n in range(1, 200))

    servers.suspect()
    assert not servers.some_came_back(1 * S)
    greet(listener)

    wait_for_condition(lambda: servers.some_came_back(2 * S), within_s=60)


def test_what_is_no_pva_server_does_not_come_back(listener: socket.socket, servers: NameServers) -> None:
    listener.listen()
    servers.ask(0)
    peer, _ = listener.accept()
    with peer:
        peer.sendall(b"HTTP/1.1 400\r\n\r\n")

    assert not any(servers.some_came_back(n * S) for n in range(1, 20))
