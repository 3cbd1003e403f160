"""Search for a PV on the server at an address, asked by UDP as every CA client asks."""

import os
import socket
from contextlib import suppress

from testbeam.errors import WireError
from testbeam.model.deadline import Deadline
from testbeam.transport.epics_environment import CA_PORT
from testbeam.transport.readiness import ready
from testbeam.wire.channel_access import requests
from testbeam.wire.channel_access.message import Command, decode_datagram

_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.32
_DATAGRAM_BYTES = 65_536


def search(address: str, name: str, deadline: Deadline, port: int = CA_PORT) -> int | None:
    """Return the TCP port of the server that says it has `name`, or None when no answer comes in time.

    The question is repeated after 20 ms and then at doubling pauses: a datagram may get lost. Anything else that arrives is passed over.
    """
    channel_id = int.from_bytes(os.urandom(4), "big")
    question, pause_s = requests.search(name, channel_id), _FIRST_PAUSE_S
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        while True:
            with suppress(OSError):  # nobody listens yet, which is the answer to the question before; or no way leads there
                sock.sendto(question, (address, port))
            found = _wait(sock, channel_id, Deadline(min(pause_s, deadline.left_s)))
            if found is not None or deadline.passed:
                return found
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _wait(sock: socket.socket, channel_id: int, deadline: Deadline) -> int | None:
    while ready([sock.fileno()], timeout_s=deadline.left_s)[0]:
        with suppress(OSError):
            found = _read(sock.recv(_DATAGRAM_BYTES), channel_id)
            if found is not None:
                return found
    return None


def _read(datagram: bytes, channel_id: int) -> int | None:
    with suppress(WireError):  # whoever sent this, it is no answer
        for message in decode_datagram(datagram):
            if message.command == Command.SEARCH:
                found = requests.found(message)
                if found.channel_id == channel_id:
                    return found.port
    return None
