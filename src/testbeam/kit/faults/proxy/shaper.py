"""Traffic shaper of one direction: latency, jitter, rate, slices. No socket, no clock: times come in, pieces come out in their order."""

from collections import deque
from collections.abc import Callable

from testbeam.kit.faults.proxy.conditions import CLEAR, Conditions
from testbeam.model.time import NS_PER_MS

END = memoryview(b"")


class Shaper:
    """Bytes under way. `random` gives numbers within 0 … 1 for the jitter; all times are monotonic ns of the caller."""

    __slots__ = ("_free_ns", "_queue", "_random", "conditions", "waiting_bytes")

    def __init__(self, random: Callable[[], float], conditions: Conditions = CLEAR) -> None:
        self.conditions = conditions
        self.waiting_bytes = 0
        self._random = random
        self._queue: deque[tuple[int, memoryview]] = deque()  # due, data; END is the end of the stream
        self._free_ns = 0  # when the link has sent what it was given before

    def is_empty(self) -> bool:
        """Tell whether nothing is under way, not even the end."""
        return not self._queue

    def has_room(self) -> bool:
        """Tell whether more may be put in."""
        return self.waiting_bytes < self.conditions.room_bytes

    def put(self, data: bytes, now_ns: int) -> None:
        """Send bytes on their way."""
        self._append(now_ns + self._delay_ns(), memoryview(data))
        self.waiting_bytes += len(data)

    def end(self, now_ns: int) -> None:
        """Send the end of the stream on its way, behind all that went before."""
        self._append(now_ns + self._delay_ns() + int(self.conditions.slow_close_ms * NS_PER_MS), END)

    def due_ns(self) -> int | None:
        """Return when the next piece may go, or None with nothing under way."""
        if not self._queue:
            return None
        due_ns, data = self._queue[0]
        return max(due_ns, self._free_ns) + self.conditions.cost_ns(len(self._piece(data)))

    def take(self, now_ns: int) -> memoryview | None:
        """Return the next piece if it may go by now, END for the end of the stream, else None."""
        go_ns = self.due_ns()
        if go_ns is None or go_ns > now_ns:
            return None
        due_ns, data = self._queue.popleft()
        piece = self._piece(data)
        if len(piece) < len(data):
            self._queue.appendleft((due_ns, data[len(piece) :]))
        self.waiting_bytes -= len(piece)
        self._free_ns = go_ns + int(self.conditions.slice_delay_ms * NS_PER_MS)
        return piece

    def reshape(self, conditions: Conditions, now_ns: int) -> None:
        """Change the conditions, for what is under way, too: nothing waits longer than it would if it came now."""
        self.conditions = conditions
        latest_ns = now_ns + int(conditions.longest_ms * NS_PER_MS)
        close_ns = int(conditions.slow_close_ms * NS_PER_MS)
        self._queue = deque((min(due_ns, latest_ns if data else latest_ns + close_ns), data) for due_ns, data in self._queue)
        self._free_ns = min(self._free_ns, now_ns)

    def drop(self) -> int:
        """Lose all that is under way; return how many bytes that were."""
        lost, self.waiting_bytes = self.waiting_bytes, 0
        self._queue.clear()
        return lost

    def _piece(self, data: memoryview) -> memoryview:
        largest = self.conditions.largest_piece
        return data[:largest] if largest and len(data) > largest else data

    def _delay_ns(self) -> int:
        jitter_ms = self.conditions.jitter_ms * (2 * self._random() - 1) if self.conditions.jitter_ms else 0.0
        return max(int((self.conditions.latency_ms + jitter_ms) * NS_PER_MS), 0)

    def _append(self, due_ns: int, data: memoryview) -> None:
        last_ns = self._queue[-1][0] if self._queue else 0
        self._queue.append((max(due_ns, last_ns), data))  # jitter must not put bytes out of order
