"""Log events sent to a Graylog server, in GELF over UDP: an event that finds nobody is lost, and holds up nothing.

Source: GELF Payload Specification 1.1, "Chunking" and "GELF via UDP".
"""

import json
import logging
import os
import re
import socket
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from testbeam.errors import SettingsError

DEFAULT_PORT = 12201
LARGEST = 8192  # bytes of a datagram
MOST_CHUNKS = 128

_MAGIC = b"\x1e\x0f"
_ID_BYTES = 8
_HEAD_BYTES = len(_MAGIC) + _ID_BYTES + 2
_ADDRESS = re.compile(r"(?:udp://)?(\[[0-9A-Fa-f:.]+\]|[^:/\[\]]+)(?::(\d{1,5}))?/?")
_LEVELS = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))  # syslog's numbers
_DEBUG = 7


@contextmanager
def sending(option: str, address: str | None, **fields: str) -> Iterator[None]:
    """Send what the program logs within the block to `address`, the value of `option`, with these fields; None sends nothing.

    Raises:
        SettingsError: it has another form.
    """
    if address is None:
        yield
        return
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match[2] or DEFAULT_PORT) > 65535:
        raise SettingsError(option, address, "[udp://]host[:port]")
    log = logging.getLogger()
    try:
        handler = GraylogHandler(match[1].strip("[]"), int(match[2] or DEFAULT_PORT), fields)
    except OSError as error:
        log.warning("nothing is logged to Graylog: %s: %s", address, error.strerror or error)
        yield
        return
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()


class GraylogHandler(logging.Handler):
    """Sends each event as one message with these fields.

    Raises:
        OSError: the name of the server can't be resolved.
    """

    def __init__(self, host: str, port: int, fields: Mapping[str, str]) -> None:
        super().__init__()
        family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        self._socket = socket.socket(family, kind)
        self._socket.setblocking(False)
        self._socket.connect(place)
        self._fields = dict(fields)
        self._host = socket.gethostname()

    def emit(self, record: logging.LogRecord) -> None:
        """Send an event; one that the server or the network does not take is lost."""
        with suppress(OSError):
            for datagram in datagrams(message(record, self._host, self._fields), os.urandom(_ID_BYTES)):
                self._socket.send(datagram)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        super().close()


def message(record: logging.LogRecord, host: str, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return an event as GELF has it; a traceback is in `full_message`."""
    text = record.getMessage()
    found = {
        "version": "1.1",
        "host": host,
        "short_message": text or "-",
        "timestamp": record.created,
        "level": next((level for least, level in _LEVELS if record.levelno >= least), _DEBUG),
        "_logger": record.name,
        **{f"_{name}": value for name, value in fields.items()},
    }
    if record.exc_info:
        found["full_message"] = f"{text}\n{logging.Formatter().formatException(record.exc_info)}"
    return found


def datagrams(content: Mapping[str, Any], message_id: bytes) -> list[bytes]:
    """Return a message as datagrams, compressed; one that needs more than 128 is cut to its first line."""
    data = zlib.compress(json.dumps(content).encode())
    if len(data) <= LARGEST:
        return [data]
    share = LARGEST - _HEAD_BYTES
    parts = [data[at : at + share] for at in range(0, len(data), share)]
    if len(parts) > MOST_CHUNKS:
        first, *_ = content["short_message"][:LARGEST].splitlines() or ("-",)
        return datagrams({**content, "short_message": first, "full_message": "cut: it was too long"}, message_id)
    return [_MAGIC + message_id + bytes((number, len(parts))) + part for number, part in enumerate(parts)]
