"""A program waits for its broker without a client of the library."""

import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from testbeam.errors import TransportError
from testbeam.transport.kafka.client import Kafka
from testbeam.transport.listening import refusal, wait_for_broker

LOG = logging.getLogger("test-listening")


@pytest.fixture
def held_port() -> Iterator[socket.socket]:
    """Return a socket with a port on which nobody listens yet."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held


def cluster(*sockets: socket.socket) -> Kafka:
    return Kafka(bootstrap=",".join(f"127.0.0.1:{one.getsockname()[1]}" for one in sockets))


def test_it_ends_as_soon_as_somebody_listens(held_port: socket.socket) -> None:
    begin_s = time.monotonic()
    threading.Timer(0.3, held_port.listen).start()

    wait_for_broker(cluster(held_port), threading.Event(), LOG)

    assert 0.25 < time.monotonic() - begin_s < 5


def test_one_broker_of_several_is_enough(held_port: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert refusal(cluster(held_port, listening)) == ""


def test_who_is_told_to_stop_waits_no_longer(held_port: socket.socket) -> None:
    stop = threading.Event()
    stop.set()

    wait_for_broker(cluster(held_port), stop, LOG)

    assert "refused" in refusal(cluster(held_port))


def test_a_wait_in_vain_names_the_place_and_the_next_step(held_port: socket.socket) -> None:
    with pytest.raises(TransportError, match=r"no broker within 0\.1 s at 127\.0\.0\.1:\d+: Connection refused; start it"):
        wait_for_broker(cluster(held_port), threading.Event(), LOG, within_s=0.1)


def test_a_long_wait_is_told_in_the_log_once(held_port: socket.socket, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(TransportError):
        wait_for_broker(cluster(held_port), threading.Event(), LOG, within_s=2.3)

    assert [record.message.split(" at ")[0] for record in caplog.records] == ["no broker yet"]


@pytest.mark.parametrize("bootstrap", ["PLAINTEXT://127.0.0.1:{port}", "[::ffff:127.0.0.1]:{port}", "kafka.without.port"])
def test_other_ways_to_write_an_address_are_understood_or_left_to_the_library(bootstrap: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert refusal(Kafka(bootstrap=bootstrap.format(port=listening.getsockname()[1]))) == ""
