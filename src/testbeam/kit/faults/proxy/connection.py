"""Relay of one connection: two flows of bytes, at once on a clear link and through the shaper on any other, that live and end together."""

import socket
import struct
from _random import Random  # the generator itself: its dress costs 5 ms of the program's start
from collections.abc import Callable

from testbeam.kit.faults.proxy.conditions import CLEAR, Conditions, combined
from testbeam.kit.faults.proxy.loop import GONE, IN, OUT, Loop
from testbeam.kit.faults.proxy.shaper import Shaper

_RESET = struct.pack("ii", 1, 0)  # linger on, for no time: close sends RST
_AT_ONCE = 1 << 18
_buffer = memoryview(bytearray(_AT_ONCE))  # one for all: the loop has one thread
_NOTHING = memoryview(b"")


class Flow:
    """One direction of a connection, from `source` to `sink` (None: there is nobody behind).

    `on_change` is called when what it waits for may have changed, `on_end` when its last byte and its end are passed on,
    `on_break` when a socket was reset or a limit is reached.
    """

    __slots__ = (
        "_alarm_ns",
        "_clear",
        "_ended",
        "_loop",
        "_on_break",
        "_on_change",
        "_on_end",
        "_shaper",
        "_unsent",
        "finished",
        "limits",
        "lossy",
        "passed",
        "sink",
        "source",
        "swallowed",
    )

    def __init__(
        self,
        loop: Loop,
        source: socket.socket,
        random: Callable[[], float],
        *,
        on_change: Callable[[], None],
        on_end: Callable[[], None],
        on_break: Callable[[], None],
    ) -> None:
        self.source = source
        self.sink: socket.socket | None = None
        self.passed = 0  # bytes taken in and not swallowed
        self.swallowed = 0
        self.lossy = False  # bytes or the end were swallowed: the stream has a gap and can't go on
        self.finished = False  # the end is passed on, or nobody is left to pass anything to
        self.limits: dict[int, int] = {}  # by fault: `passed` at which the connection is closed
        self._loop = loop
        self._shaper = Shaper(random)
        self._on_change, self._on_end, self._on_break = on_change, on_end, on_break
        self._unsent = _NOTHING
        self._ended = False  # the source has sent all it will send
        self._alarm_ns: int | None = None
        self._clear = True

    @property
    def wants_in(self) -> bool:
        """Tell whether the source is to be read."""
        conditions = self._shaper.conditions
        if self._ended or self.finished or conditions.stalled:
            return False
        return conditions.black_hole or (self.sink is not None and not self._unsent and self._shaper.has_room())

    @property
    def wants_out(self) -> bool:
        """Tell whether bytes wait for the sink to take them."""
        return bool(self._unsent) and not self._shaper.conditions.stalled

    def reshape(self, conditions: Conditions, limits: dict[int, int]) -> None:
        """Change the conditions; limits: how many more bytes each fault lets through."""
        self._shaper.reshape(conditions, self._loop.now_ns)
        self.limits = {fault: self.limits.get(fault, self.passed + more) for fault, more in limits.items()}
        self._clear = conditions == CLEAR and not self.limits
        if conditions.black_hole and (lost := self._shaper.drop() + len(self._unsent)):
            self._swallow(lost)
            self._unsent = _NOTHING
        self.push()

    def stop(self) -> None:
        """Pass nothing on any more."""
        self.finished, self.sink, self._unsent = True, None, _NOTHING

    def pull(self) -> None:
        """Take in what the source has."""
        try:
            size = self.source.recv_into(_buffer)
        except BlockingIOError:
            return
        except OSError:
            self._on_break()
            return
        if self._shaper.conditions.black_hole:
            self._swallow(size)
            self._ended = size == 0
        elif size == 0:
            self._ended = True
            self._shaper.end(self._loop.now_ns)
            self.push()
        elif self._clear and self._shaper.is_empty():
            self.passed += size
            self._send(_buffer[:size])
            if self._unsent:
                self._unsent = memoryview(bytes(self._unsent))  # the buffer is everybody's
                self._on_change()
        else:
            self._take_in(_buffer[:size])

    def pull_if_wanted(self) -> None:
        """Take in what the source has, if that is wanted still."""
        if self.wants_in:
            self.pull()

    def push(self) -> None:
        """Pass on what may go by now, and come back when the next may."""
        if self.sink is None or self._shaper.conditions.stalled:
            self._on_change()
            return
        self._send(self._unsent)
        while not self.finished and not self._unsent and (piece := self._shaper.take(self._loop.now_ns)) is not None:
            if piece:
                self._send(piece)
            else:
                self._finish(self.sink)
        if not self._unsent and not self.finished:
            self._set_alarm()
            if self._limit() == self.passed and self._shaper.is_empty():
                self._on_break()
        self._on_change()

    def _take_in(self, data: memoryview) -> None:
        limit = self._limit()
        if limit is not None:
            data = data[: max(limit - self.passed, 0)]
        self.passed += len(data)
        if data:
            self._shaper.put(bytes(data), self._loop.now_ns)
        self.push()

    def _limit(self) -> int | None:
        return min(self.limits.values(), default=None)

    def _swallow(self, size: int) -> None:
        self.swallowed += size
        self.lossy = True

    def _send(self, data: memoryview) -> None:
        """Send what the sink takes; the rest waits in `_unsent`."""
        self._unsent = data
        if not data or self.sink is None:
            return
        try:
            self._unsent = data[self.sink.send(data) :]
        except BlockingIOError:
            return
        except OSError:
            self._unsent = _NOTHING
            self._on_break()

    def _finish(self, sink: socket.socket) -> None:
        self.finished = True
        try:
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            self._on_break()
            return
        self._on_change()
        self._on_end()

    def _set_alarm(self) -> None:
        due_ns = self._shaper.due_ns()
        if due_ns is not None and (self._alarm_ns is None or due_ns < self._alarm_ns):
            self._alarm_ns = due_ns
            self._loop.at(due_ns, self._wake)

    def _wake(self) -> None:
        self._alarm_ns = None
        self.push()


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
