"""A server of many connections: each peer's bytes whole and in order; one that takes nothing off costs nobody else anything."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from testbeam.clients.waiting import wait_for_condition
from testbeam.errors import PortTaken
from testbeam.transport.tcp_server import Peer, TcpServer


class Echo:
    """Sends back what it gets; notes who came and went."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.gone = 0

    def opened(self, peer: Peer) -> None:
        self.peers.append(peer)

    def received(self, peer: Peer, data: bytes) -> None:
        peer.send(data)

    def closed(self, peer: Peer) -> None:  # noqa: ARG002 — the form of a Handler
        self.gone += 1


class Served:
    """A server in a thread of its own."""

    def __init__(self, most_waiting_bytes: int, stalled_s: float) -> None:
        self.handler = Echo()
        self.server = TcpServer("127.0.0.1", 0, self.handler, most_waiting_bytes=most_waiting_bytes, stalled_s=stalled_s)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.server.run_once(0.05)
        self.server.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.server.port), 5)

    def do(self, call: Callable[[], None]) -> None:
        done = threading.Event()

        def run() -> None:
            call()
            done.set()

        self.server.call_soon(run)
        assert done.wait(60)

    def end(self) -> None:
        self._stop.set()
        self._thread.join(60)


Make = Callable[..., Served]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Served] = []

    def new(most_waiting_bytes: int = 10_000_000, stalled_s: float = 60.0) -> Served:
        made.append(Served(most_waiting_bytes, stalled_s))
        return made[-1]

    yield new
    for one in made:
        one.end()


def receive(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size and (more := connection.recv(1 << 20)):
        data += more
    return bytes(data)


def test_bytes_come_back_whole_and_in_order(make: Make) -> None:
    served = make()
    with served.connect() as one, served.connect() as two:
        payload = b"".join(number.to_bytes(4, "big") for number in range(200_000))
        sender = threading.Thread(target=one.sendall, args=(payload,))
        sender.start()
        two.sendall(b"short")
        assert receive(two, 5) == b"short"
        assert receive(one, len(payload)) == payload
        sender.join()


def test_a_peer_for_which_too_much_waits_is_cut_and_others_are_not(make: Make) -> None:
    served = make(most_waiting_bytes=5_000_000)
    with served.connect() as slow, served.connect() as other:
        other.sendall(b"x")
        assert receive(other, 1) == b"x"
        slow_peer = next(peer for peer in served.handler.peers if peer.address.endswith(f":{slow.getsockname()[1]}"))
        for _ in range(40):
            served.do(lambda: slow_peer.send(b"y" * 1_000_000))
            if not slow_peer.is_open:
                break

        assert not slow_peer.is_open
        assert slow_peer.waiting_bytes < 8_000_000
        other.sendall(b"z")
        assert receive(other, 1) == b"z"


def test_a_peer_that_takes_nothing_off_is_cut(make: Make) -> None:
    served = make(most_waiting_bytes=100_000_000, stalled_s=0.3)
    with served.connect() as slow, served.connect() as other:
        other.sendall(b"x")
        receive(other, 1)
        slow_peer = next(peer for peer in served.handler.peers if peer.address.endswith(f":{slow.getsockname()[1]}"))
        served.do(lambda: slow_peer.send(b"y" * 20_000_000))
        wait_for_condition(lambda: not slow_peer.is_open, within_s=60)
        other.sendall(b"z")
        assert receive(other, 1) == b"z"


def test_a_peer_is_closed_once_it_has_everything(make: Make) -> None:
    served = make()
    with served.connect() as one:
        wait_for_condition(lambda: bool(served.handler.peers), within_s=60)

        def say_and_close() -> None:
            served.handler.peers[0].send(b"b" * 3_000_000)
            served.handler.peers[0].close_when_sent()

        served.do(say_and_close)
        assert len(receive(one, 3_000_001)) == 3_000_000


def test_connections_come_and_go(make: Make) -> None:
    served = make()
    for _ in range(200):
        served.connect().close()
    wait_for_condition(lambda: served.handler.gone == 200, within_s=60)

    with served.connect() as one:
        one.sendall(b"still here")
        assert receive(one, 10) == b"still here"


def test_a_port_that_is_taken_is_named(make: Make) -> None:
    served = make()
    with pytest.raises(PortTaken, match=str(served.server.port)):
        TcpServer("127.0.0.1", served.server.port, Echo(), most_waiting_bytes=1, stalled_s=1)
