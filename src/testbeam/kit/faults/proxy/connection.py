"""How one client's connection and the one behind it live and end together."""

import socket
import struct
from _random import Random  # the generator itself: its dress costs 5 ms of the program's start
from collections.abc import Callable

from testbeam.kit.faults.proxy.conditions import Conditions, combined
from testbeam.kit.faults.proxy.flow import Flow
from testbeam.kit.faults.proxy.loop import GONE, IN, OUT, Loop

_RESET = struct.pack("ii", 1, 0)  # linger on, for no time: close sends RST


class Connection:
    """A client's connection, relayed to `address`; `on_closed` is called once, when it is gone."""

    def __init__(
        self, loop: Loop, client: socket.socket, address: tuple[str, int], number: int, on_closed: Callable[["Connection"], None]
    ) -> None:
        self._loop = loop
        self._address = address
        self._number = number
        self._on_closed = on_closed
        self._random = Random(number)
        self.was_reset = False
        self.client = client
        self.upstream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        for one in (self.client, self.upstream):
            one.setblocking(False)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.up, self.down = self._flow(self.client), self._flow(self.upstream)
        self.down.sink = self.client
        self._watched: dict[socket.socket, int] = {self.client: 0}
        self._asked = False  # the service was asked to connect
        self._open = True
        self._hung_up: set[socket.socket] = set()  # watched no more: epoll would tell again and again
        self._broken = False  # a peer is gone, but the link does not tell
        self._whole = Conditions()
        loop.watch(client, 0, self._client_ready)

    def _flow(self, source: socket.socket) -> Flow:
        return Flow(self._loop, source, self._random.random, on_change=self._update, on_end=self._ended, on_break=self._break)

    def reshape(self, up: Conditions, down: Conditions, limits: tuple[dict[int, int], dict[int, int]]) -> None:
        """Put the connection under other conditions."""
        if (seed := up.seed ^ down.seed) != self._whole.seed:
            self._random.seed(seed ^ self._number)
        self._whole = whole = combined(up, down)
        is_silent = whole.black_hole or whole.stalled
        gap = (self.up.lossy and not up.black_hole) or (self.down.lossy and not down.black_hole) or self._broken
        if whole.reset or whole.down or (gap and not is_silent):
            self.abort()
            return
        if not is_silent and not self._asked:
            self._connect()
        self.up.reshape(up, limits[0])
        if self._open:
            self.down.reshape(down, limits[1])

    def abort(self) -> None:
        """Reset both sides."""
        if self._open:
            self.was_reset = True
            for one in (self.client, self.upstream):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._close()

    def _break(self) -> None:
        """Take in that a peer is gone; the other is told unless nothing gets through now."""
        if self._whole.black_hole or self._whole.stalled:
            self._broken = True
            for one in tuple(self._watched):
                self._unwatch(one)
        else:
            self.abort()

    def _close(self) -> None:
        self._open = False
        self.up.stop()
        self.down.stop()
        self._loop.close(self.client)
        self._loop.close(self.upstream)
        self._on_closed(self)

    def _ended(self) -> None:
        if self.up.finished and self.down.finished and self._open:
            self._close()

    # --- the service's side ---

    def _connect(self) -> None:
        self._asked = True
        self.upstream.connect_ex(self._address)  # how it went shows in SO_ERROR, now or later
        self._loop.watch(self.upstream, OUT, self._connected)

    def _connected(self, _events: int) -> None:
        if self.upstream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._break()
            return
        self._loop.forget(self.upstream)
        self._loop.watch(self.upstream, 0, self._upstream_ready)
        self._watched[self.upstream] = 0
        self.up.sink = self.upstream
        self._update()

    # --- what the loop says ---

    def _client_ready(self, events: int) -> None:
        self._ready(self.client, self.up, self.down, events)

    def _upstream_ready(self, events: int) -> None:
        self._ready(self.upstream, self.down, self.up, events)

    def _ready(self, one: socket.socket, source: Flow, sink: Flow, events: int) -> None:
        if events & OUT:
            sink.push()
        if events & IN and self._open:
            source.pull()
        if events & GONE and self._open:
            self._gone(one, source)

    def _gone(self, one: socket.socket, source: Flow) -> None:
        """Take in that a peer is gone, or that one side is closed both ways while bytes of it may wait to be read."""
        if one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._break()
        elif not source.wants_in:  # else it is read to its end
            self._unwatch(one)
            self._hung_up.add(one)

    def _unwatch(self, one: socket.socket) -> None:
        self._loop.forget(one)
        self._watched.pop(one, None)

    def _update(self) -> None:
        """Watch both sockets for what they are wanted for."""
        if not self._open:
            return
        self._watch(self.client, self.up, self.down)
        self._watch(self.upstream, self.down, self.up)

    def _watch(self, one: socket.socket, source: Flow, sink: Flow) -> None:
        if one in self._hung_up and source.wants_in:
            self._loop.at(self._loop.now_ns, source.pull_if_wanted)
        events = IN * source.wants_in | OUT * sink.wants_out
        if self._watched.get(one, events) != events:
            self._watched[one] = events
            self._loop.change(one, events)
