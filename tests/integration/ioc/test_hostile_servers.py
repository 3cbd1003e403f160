import contextlib
import random
import socket
import threading
from collections.abc import Iterator

import pytest

from testbeam.errors import TransportError, WireError
from testbeam.model.deadline import Deadline
from testbeam.transport.ca.client import CaClient
from testbeam.transport.ca.search import search
from testbeam.transport.pva import port as pva_port
from testbeam.wire.channel_access.message import Command, Message, encode

CREATED = encode(Message(command=Command.ACCESS_RIGHTS, parameter_1=1, parameter_2=3)) + encode(
    Message(command=Command.CREATE_CHAN, data_type=6, data_count=1, parameter_1=1, parameter_2=1)
)


@contextlib.contextmanager
def serving(address: str, port: int, answer: bytes) -> Iterator[None]:
    """Answer every connection with the same bytes."""
    with socket.create_server((address, port)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):  # the listening socket is shut down at the end
                while True:
                    connection, _ = server.accept()
                    connections.append(connection)
                    connection.sendall(answer)

        connections: list[socket.socket] = []
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(60)
            for connection in connections:
                connection.close()


@pytest.mark.parametrize("seed", range(8))
def test_random_bytes_from_a_ca_server_are_one_of_our_errors(address: str, seed: int) -> None:
    with (
        serving(address, 5064, random.Random(seed).randbytes(2000)),
        CaClient(address) as client,
        pytest.raises((WireError, TransportError)),
    ):
        client.channel("VOLT", within_s=0.3)


@pytest.mark.parametrize("seed", range(8))
def test_random_bytes_after_a_channel_was_made_are_one_of_our_errors(address: str, seed: int) -> None:
    answer = CREATED + random.Random(seed).randbytes(2000)
    with serving(address, 5064, answer), CaClient(address) as client, pytest.raises((WireError, TransportError)):
        client.channel("VOLT", within_s=0.3).get(within_s=0.3)


def test_a_server_that_drops_the_channel_is_told(address: str) -> None:
    answer = CREATED + encode(Message(command=Command.SERVER_DISCONN, parameter_1=1))
    with serving(address, 5064, answer), CaClient(address) as client, pytest.raises(TransportError, match="dropped the channel"):
        client.channel("VOLT").get()


def test_a_channel_that_may_not_be_written_says_so(address: str) -> None:
    answer = CREATED.replace(b"\0\0\0\x03", b"\0\0\0\x01", 1)
    with serving(address, 5064, answer), CaClient(address) as client, pytest.raises(TransportError, match=r"VOLT.*can't be written"):
        client.channel("VOLT").put(1)


def test_nonsense_in_answer_to_a_search_is_passed_over(address: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, 5064))
        server.settimeout(60)

        def answer() -> None:
            _, client = server.recvfrom(1000)
            for nonsense in (
                b"",
                b"\0",
                bytes(16),
                encode(Message(command=Command.SEARCH, data_type=1, parameter_2=1)),
                random.randbytes(99),
            ):
                server.sendto(nonsense, client)

        thread = threading.Thread(target=answer)
        thread.start()

        assert search(address, "VOLT", Deadline(0.2)) is None
        thread.join(60)


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes(64), b"\xca\x02\x41\x02\0\0\0\0" + b"\xca\x02\x40\x01\xff\xff\xff\xff"]
)
def test_a_server_that_does_not_speak_pva_is_told_from_one_that_does(address: str, answer: bytes) -> None:
    with serving(address, 5075, answer):
        assert not pva_port.greets(address, Deadline(1))
