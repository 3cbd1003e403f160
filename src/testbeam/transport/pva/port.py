"""PV Access at an address: whether what listens there speaks it, without a PVA library.

Source: pvAccess Protocol Specification, "Connection Validation": a server speaks first, with a control message that sets the byte order.
"""

import socket

from testbeam.errors import WireError
from testbeam.model.deadline import Deadline
from testbeam.transport.epics_environment import PVA_PORT
from testbeam.wire.pv_access.messages import Frame, first_frame
from testbeam.wire.pv_access.search import VALIDATED, VALIDATION, encode_validation

_SET_BYTE_ORDER = 0x02
_READ_BYTES = 4096


def greets(address: str, deadline: Deadline, port: int = PVA_PORT) -> bool:
    """Tell whether a server there opens the connection as PVA asks.

    The hand-shake is brought to its end: the server of EPICS base accepts nobody else for 5 s while one is open, and to close with
    bytes unread would be a reset, which servers log as an error.

    Raises:
        OSError: nobody listens, or nothing comes in time.
    """
    with socket.create_connection((address, port), timeout=max(deadline.left_s, 0.001)) as sock:
        received = _Received(sock, deadline)
        try:
            order, validation = received.frame(), received.frame()
            if not (order and validation and order.is_control and (order.command, validation.command) == (_SET_BYTE_ORDER, VALIDATION)):
                return False
            sock.sendall(encode_validation())
            answer = received.frame()
        except WireError:
            return False
        return answer is not None and answer.command == VALIDATED


class _Received:
    """What comes over a connection, message by message."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock, self._deadline, self._data = sock, deadline, b""

    def frame(self) -> Frame | None:
        """Return the next message, or None where the server closes the connection before."""
        while (found := first_frame(self._data)) is None:
            self._sock.settimeout(max(self._deadline.left_s, 0.001))
            part = self._sock.recv(_READ_BYTES)
            if not part:
                return None
            self._data += part
        frame, size = found
        self._data = self._data[size:]
        return frame
