"""Event loop: epoll and timers, in one thread, with the standard library alone."""

import heapq
import itertools
import select
import socket
import time
from collections.abc import Callable

from testbeam.model.time import NS_PER_S

IN, OUT = select.EPOLLIN, select.EPOLLOUT
GONE = select.EPOLLERR | select.EPOLLHUP

BACKLOG = 128

Handler = Callable[[int], None]


class Loop:
    """Calls handlers with what a socket is ready for, and callbacks at their time (to 1 ms, which is how exact epoll waits)."""

    def __init__(self) -> None:
        self.over = False
        self.now_ns = time.monotonic_ns()  # of this round
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self._closing: list[socket.socket] = []
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = itertools.count()  # so that two callbacks of one time are not compared

    def watch(self, one: socket.socket, events: int, handler: Handler) -> None:
        """Call the handler when the socket is ready for `events`, or gone."""
        self._handlers[one.fileno()] = handler
        self._epoll.register(one.fileno(), events)

    def change(self, one: socket.socket, events: int) -> None:
        """Watch a socket for other events."""
        self._epoll.modify(one.fileno(), events)

    def forget(self, one: socket.socket) -> None:
        """Watch a socket no more."""
        if self._handlers.pop(one.fileno(), None) is not None:
            self._epoll.unregister(one.fileno())

    def close(self, one: socket.socket) -> None:
        """Close a socket at the end of this round: until then no new one can get its number, and its events."""
        self.forget(one)
        self._closing.append(one)

    def at(self, due_ns: int, callback: Callable[[], None]) -> None:
        """Call back once at a time of the monotonic clock."""
        heapq.heappush(self._timers, (due_ns, next(self._numbers), callback))

    def run(self) -> None:
        """Work until `over`."""
        while not self.over:
            self.round()
        self._epoll.close()

    def round(self) -> None:
        """Wait for what comes next and do it."""
        ready = self._epoll.poll(self._timeout_s())
        self.now_ns = time.monotonic_ns()
        handlers = self._handlers
        for fd, events in ready:
            handler = handlers.get(fd)
            if handler is not None:
                handler(events)
        while self._timers and self._timers[0][0] <= self.now_ns:
            heapq.heappop(self._timers)[2]()
        while self._closing:
            self._closing.pop().close()

    def _timeout_s(self) -> float:
        """Return how long to wait; negative for as long as it takes."""
        return max((self._timers[0][0] - time.monotonic_ns()) / NS_PER_S, 0.0) if self._timers else -1.0


def listening(address: tuple[str, int]) -> socket.socket:
    """Return a socket that listens there; SO_REUSEADDR lets it do so beside the one that only holds the port."""
    one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(address)
        one.listen(BACKLOG)
    except OSError:
        one.close()
        raise
    return one
