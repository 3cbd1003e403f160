"""PV Access at an address: whether what listens there speaks it, without a PVA library.

Source: pvAccess Protocol Specification, "Connection Validation": a server speaks first, with a control message that sets the byte order.
"""

import socket

from testbeam.model.deadline import Deadline
from testbeam.transport.epics_environment import PVA_PORT

_MAGIC = 0xCA
_SET_BYTE_ORDER = 0x02
_CONNECTION_VALIDATION = 0x01
_BIG_ENDIAN = 0x80
_HEADER_BYTES = 8
_MOST_BYTES = 65_536


def greets(address: str, deadline: Deadline, port: int = PVA_PORT) -> bool:
    """Tell whether a server there opens the connection as PVA asks.

    Raises:
        OSError: nobody listens, or nothing comes in time.
    """
    with socket.create_connection((address, port), timeout=max(deadline.left_s, 0.001)) as sock:
        order, validation = _read(sock, _HEADER_BYTES, deadline), _read(sock, _HEADER_BYTES, deadline)
        if not (_is(order, _SET_BYTE_ORDER) and _is(validation, _CONNECTION_VALIDATION)):
            return False
        # All of it is read: closing with bytes unread would be a reset, which the server logs as an error.
        size = int.from_bytes(validation[4:], "big" if validation[2] & _BIG_ENDIAN else "little")
        return size <= _MOST_BYTES and len(_read(sock, size, deadline)) == size


def _is(header: bytes, command: int) -> bool:
    return len(header) == _HEADER_BYTES and header[0] == _MAGIC and header[3] == command


def _read(sock: socket.socket, size: int, deadline: Deadline) -> bytes:
    """Return `size` bytes, or fewer where the server closes the connection."""
    data = b""
    while len(data) < size:
        sock.settimeout(max(deadline.left_s, 0.001))
        part = sock.recv(size - len(data))
        if not part:
            break
        data += part
    return data
