"""Connections of the daemon's clients, by the thread that serves them alone."""

import socket
import threading
from unittest.mock import Mock

from testbeam.services.control.daemon.server import Answers, Server
from testbeam.wire.nicos.daemon_frames import CLIENT_ID_BYTES
from testbeam.wire.nicos.serialisers import FOR_CLIENTS


def test_an_unforeseen_error_of_the_connections_ends_the_daemon() -> None:
    answers = Mock(spec=Answers)
    answers.banner.return_value = {}
    answers.left.side_effect = ValueError("nobody foresaw it")
    ended = threading.Event()
    server = Server("127.0.0.1", 0, FOR_CLIENTS["json"], answers, on_crash=ended.set)
    server.start()
    with socket.create_connection(("127.0.0.1", server.port), 30) as client:
        client.sendall(bytes(CLIENT_ID_BYTES))
        assert client.recv(1)  # the banner: the client is known by now

    assert ended.wait(30)
    assert server.crashed
