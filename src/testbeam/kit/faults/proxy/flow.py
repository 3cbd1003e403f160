"""How the bytes of one direction get from one socket to the other: at once on a clear link, through the shaper on any other."""

import socket
from collections.abc import Callable

from testbeam.kit.faults.proxy.conditions import CLEAR, Conditions
from testbeam.kit.faults.proxy.loop import Loop
from testbeam.kit.faults.proxy.shaper import Shaper

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
