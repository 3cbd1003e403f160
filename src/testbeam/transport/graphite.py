"""Lines of plain text to a carbon server of Graphite."""

import socket
from collections.abc import Iterable

from testbeam.errors import TransportError

DEFAULT_PORT = 2003


def send_lines(host: str, port: int, lines: Iterable[str], within_s: float) -> None:
    """Send lines, and close.

    Raises:
        TransportError: the server can't be reached, or does not take them in time.
    """
    try:
        with socket.create_connection((host, port), timeout=within_s) as sock:
            sock.sendall("".join(f"{line}\n" for line in lines).encode())
    except OSError as error:
        raise TransportError(f"carbon at {host}:{port}: {error.strerror or error}") from error
