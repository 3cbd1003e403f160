"""Return of a PVA server that was away.

pvxs tries a name server that refused it only every 10 s, repeats a search only after seconds, and heeds `hurryUp` once in 30 s: an IOC
that restarts would be missed for as long. A new context asks at once; so while PVs are missing we probe the servers' ports, and the
first bytes that a server says of itself are the moment for one. An open port is too early: an IOC listens 0.5 s before it serves.
"""

import socket
from dataclasses import dataclass, field

from testbeam.transport.readiness import ready

DEFAULT_PORT = 5075

_MAGIC = b"\xca"  # every PVA message begins with it; a server speaks first
_AT_ONCE_NS = 250_000_000

Address = tuple[str, int]


def addresses(name_servers: str, default_port: int = DEFAULT_PORT) -> tuple[Address, ...]:
    """Return the (host, port) pairs of an EPICS_PVA_NAME_SERVERS; entries that are none are left to pvxs to complain about."""
    pairs = (entry.rpartition(":") if ":" in entry else (entry, "", str(default_port)) for entry in name_servers.split())
    return tuple(dict.fromkeys((host, int(port)) for host, _, port in pairs if host and port.isdigit()))


@dataclass(slots=True)
class NameServers:
    """Servers that may be away. Nothing here waits: a probe is a non-blocking connect, and later looks see how it went.

    A server is `fresh` between `ask` and its first answer: one that answers at once has heard the new context too.
    """

    servers: tuple[Address, ...]
    period_ns: int = 100_000_000
    _fresh: set[Address] = field(default_factory=set)
    _away: set[Address] = field(default_factory=set)
    _probes: dict[Address, socket.socket] = field(default_factory=dict)
    _asked_ns: int = 0
    _next_ns: int = 0

    def ask(self, now_ns: int) -> None:
        """Note that a new context asks every server now."""
        self._away.clear()
        self._fresh.update(self.servers)
        self._asked_ns = now_ns
        self._look(now_ns)

    def suspect(self) -> None:
        """Note that a connection was lost: any of the servers may be away, or back already."""
        self._away.update(self.servers)

    def some_came_back(self, now_ns: int) -> bool:
        """Tell whether one that was or may have been away serves; each is reported once, until it is suspected anew."""
        if not (self._away or self._fresh) or now_ns < self._next_ns:
            return False
        self._next_ns = now_ns + self.period_ns
        return self._look(now_ns)

    def close(self) -> None:
        """Close the probes that are under way."""
        for probe in self._probes.values():
            probe.close()
        self._probes.clear()

    def _look(self, now_ns: int) -> bool:
        answers = {server: self._answer(server) for server in self._away | self._fresh}
        refused = {server for server, answer in answers.items() if answer is False}
        serving = {server for server, answer in answers.items() if answer}
        if now_ns - self._asked_ns > _AT_ONCE_NS:
            self._away |= self._fresh
        back = serving & self._away
        self._away = (self._away | refused) - back
        self._fresh -= refused | serving | self._away
        return bool(back)

    def _answer(self, server: Address) -> bool | None:
        """Return whether a server serves or refuses; None: it has said nothing yet."""
        probe = self._probes.pop(server, None) or _probe(server)
        readable, writable = ready([probe.fileno()], [probe.fileno()], 0)
        if not readable and (not writable or not probe.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
            self._probes[server] = probe
            return None
        with probe:
            return bool(readable) and _says(probe) == _MAGIC


def _probe(server: Address) -> socket.socket:
    probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    probe.setblocking(False)
    probe.connect_ex(server)
    return probe


def _says(probe: socket.socket) -> bytes:
    try:
        return probe.recv(1)
    except OSError:
        return b""
