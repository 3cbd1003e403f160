"""Link: one port that clients connect to in a service's stead, its connections and the conditions that they are under."""

import socket
from collections import Counter

from testbeam.kit.faults.proxy.conditions import CLEAR, Conditions, combined
from testbeam.kit.faults.proxy.connection import Connection
from testbeam.kit.faults.proxy.loop import IN, Loop, listening

_RETRY_NS = 100_000_000


class Link:
    """Relays what connects to `listener` on to `target`; `counts` says what became of connections and bytes."""

    def __init__(self, loop: Loop, listener: socket.socket, target: tuple[str, int]) -> None:
        self.counts: Counter[str] = Counter()
        self._loop = loop
        self._target = target
        self._address: tuple[str, int] = listener.getsockname()
        self._listener: socket.socket | None = None
        self._connections: set[Connection] = set()
        self._faults: dict[int, tuple[Conditions, Conditions]] = {}
        self._up = self._down = CLEAR
        self._listen(listener)

    def shape(self, fault: int, up: Conditions, down: Conditions) -> None:
        """Add a fault, or change one, for new and for live connections; up is from client to service.

        Raises:
            OSError: the port can't be listened on again after a fault that had it refused.
        """
        self._faults[fault] = (up, down)
        self._apply()

    def clear(self, fault: int) -> None:
        """Take a fault away; raise as `shape`."""
        self._faults.pop(fault, None)
        self._apply()

    def told(self) -> dict[str, int]:
        """Return the counts so far, those of live connections included."""
        swallowed = sum(each.up.swallowed + each.down.swallowed for each in self._connections)
        return {**self.counts, "swallowed_bytes": self.counts["swallowed_bytes"] + swallowed, "connected": len(self._connections)}

    def close(self) -> None:
        """Reset every connection and listen no more."""
        self._refuse()
        self._reset_all()

    def _apply(self) -> None:
        self._up = combined(*(up for up, _ in self._faults.values()))
        self._down = combined(*(down for _, down in self._faults.values()))
        if self._up.down or self._down.down:
            self._refuse()
        elif self._listener is None:
            self._listen(listening(self._address))
        for connection in tuple(self._connections):
            self._reshape(connection)

    def _reshape(self, connection: Connection) -> None:
        up, down = (
            {fault: conditions[side].limit_bytes for fault, conditions in self._faults.items() if conditions[side].limit_bytes >= 0}
            for side in (0, 1)
        )
        connection.reshape(self._up, self._down, (up, down))

    def _listen(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._loop.watch(listener, IN, self._accept)

    def _refuse(self) -> None:
        if self._listener is not None:
            self._loop.forget(self._listener)
            self._listener.close()  # at once: it may be listened on again within this round
            self._listener = None

    def _reset_all(self) -> None:
        for connection in tuple(self._connections):
            connection.abort()

    def _accept(self, _events: int) -> None:
        if self._listener is None:
            return
        try:
            client, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError:  # no descriptor is free: look again when some may be
            self.counts["not_accepted"] += 1
            self._loop.change(self._listener, 0)
            self._loop.at(self._loop.now_ns + _RETRY_NS, self._accept_again)
            return
        self._meet(client)

    def _accept_again(self) -> None:
        if self._listener is not None:
            self._loop.change(self._listener, IN)

    def _meet(self, client: socket.socket) -> None:
        self.counts["accepted"] += 1
        try:
            connection = Connection(self._loop, client, self._target, self.counts["accepted"], self._closed)
        except OSError:  # no descriptor is left for the other side
            self.counts["not_accepted"] += 1
            client.close()
            return
        self._connections.add(connection)
        self._reshape(connection)

    def _closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self.counts["reset"] += connection.was_reset
        self.counts["swallowed_bytes"] += connection.up.swallowed + connection.down.swallowed
        self.counts["passed_up_bytes"] += connection.up.passed
        self.counts["passed_down_bytes"] += connection.down.passed
