"""Probe of a cache and a daemon of NICOS, each asked in its own protocol."""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from testbeam.errors import WireError
from testbeam.kit.spec import ProbeResult, ServiceView
from testbeam.model.deadline import Deadline
from testbeam.wire.nicos.cache_lines import ASK, END_MARKER, TELL_EXPIRED
from testbeam.wire.nicos.daemon_frames import CLIENT_ID_BYTES, take_reply

_LOOK_S = 0.4


@dataclass(frozen=True, slots=True)
class NicosAnswers:
    """Ready when the cache answers a question for its end marker, or the daemon sends its banner; `what` is the endpoint, too."""

    what: Literal["cache", "daemon"]

    def check(self, service: ServiceView) -> ProbeResult:
        """Look once, over a connection of its own."""
        host, _, port = service.endpoints[self.what].rpartition(":")
        deadline = Deadline(_LOOK_S)
        with socket.create_connection((host, int(port)), _LOOK_S) as connection:
            if self.what == "cache":
                connection.sendall(f"{END_MARKER}{ASK}\n".encode())
                wanted = f"{END_MARKER}{TELL_EXPIRED}".encode()
                return _seen(wanted in _read(connection, deadline, lambda data: wanted in data), f"the cache at {host}:{port}")
            connection.sendall(os.urandom(CLIENT_ID_BYTES))
            data = _read(connection, deadline, lambda data: _banner(data) is not None)
            return _seen(b"daemon_version" in data, f"the daemon at {host}:{port}")


def _read(connection: socket.socket, deadline: Deadline, enough: Callable[[bytes], bool]) -> bytes:
    data = b""
    while not enough(data) and not deadline.passed:
        connection.settimeout(max(deadline.left_s, 0.001))
        more = connection.recv(65_536)
        if not more:
            break
        data += more
    return data


def _banner(data: bytes) -> bytes | None:
    try:
        frame = take_reply(bytearray(data))
    except WireError:
        return b""
    return None if frame is None else frame.payload


def _seen(ready: bool, who: str) -> ProbeResult:
    return ProbeResult(ready=ready, detail=f"{who} {'answers' if ready else 'says nothing that its protocol knows'}")
