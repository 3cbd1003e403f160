"""Frames of Channel Access messages.

Source: Channel Access Protocol Specification, "Message Structure" and "Commands".
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from testbeam.errors import WireError

MINOR_VERSION = 13
MAX_PAYLOAD = 64 * 1024 * 1024

_HEADER = struct.Struct(">HHHHII")
_EXTENSION = struct.Struct(">II")
_EXTENDED = 0xFFFF  # payload size that announces an extension, together with count 0
_MAX_SMALL = 0xFFF0


class Command(IntEnum):
    """What a message is about."""

    VERSION = 0
    EVENT_ADD = 1
    EVENT_CANCEL = 2
    SEARCH = 6
    ERROR = 11
    CLEAR_CHANNEL = 12
    READ_NOTIFY = 15
    CREATE_CHAN = 18
    WRITE_NOTIFY = 19
    CLIENT_NAME = 20
    HOST_NAME = 21
    ACCESS_RIGHTS = 22
    CREATE_CH_FAIL = 26
    SERVER_DISCONN = 27


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message; what `parameter_1` and `parameter_2` mean depends on `command`, which may be one that is not in `Command`."""

    command: int
    data_type: int = 0
    data_count: int = 0
    parameter_1: int = 0
    parameter_2: int = 0
    payload: bytes = b""


def encode(message: Message) -> bytes:
    """Return the bytes of a message, its payload padded to a multiple of 8."""
    payload = message.payload + bytes(-len(message.payload) % 8)
    ends = (message.parameter_1, message.parameter_2)
    if len(payload) <= _MAX_SMALL and message.data_count <= _MAX_SMALL:
        return _HEADER.pack(message.command, len(payload), message.data_type, message.data_count, *ends) + payload
    header = _HEADER.pack(message.command, _EXTENDED, message.data_type, 0, *ends)
    return header + _EXTENSION.pack(len(payload), message.data_count) + payload


def decode_datagram(datagram: bytes) -> tuple[Message, ...]:
    """Return the messages of one UDP datagram.

    Raises:
        WireError: the last one is cut short, or one announces more than `MAX_PAYLOAD`.
    """
    stream = MessageStream()
    messages = tuple(stream.feed(datagram))
    if stream.pending:
        raise WireError("CA", f"{len(stream.pending)} bytes at the end of a datagram are no whole message")
    return messages


@dataclass(slots=True)
class MessageStream:
    """Cuts what arrives on a circuit into messages; `pending` is the beginning of the next one."""

    max_payload: int = MAX_PAYLOAD
    pending: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take bytes in and yield each message that is complete by now; the caller must exhaust it.

        Raises:
            WireError: a message announces more than `max_payload`: this is no CA server, or the circuit is out of step.
        """
        self.pending += data
        while (sized := self._next_size()) is not None:
            start, size, count = sized
            command, _, data_type, _, first, second = _HEADER.unpack_from(self.pending)
            payload = bytes(self.pending[start : start + size])
            del self.pending[: start + size]
            yield Message(command=command, data_type=data_type, data_count=count, parameter_1=first, parameter_2=second, payload=payload)

    def _next_size(self) -> tuple[int, int, int] | None:
        """Return (payload offset, payload size, count) of the next message, or None while it is incomplete."""
        start, available = _HEADER.size, len(self.pending)
        if available < start:
            return None
        _, size, _, count, _, _ = _HEADER.unpack_from(self.pending)
        if size == _EXTENDED and count == 0:
            start += _EXTENSION.size
            if available < start:
                return None
            size, count = _EXTENSION.unpack_from(self.pending, _HEADER.size)
        if size > self.max_payload:
            raise WireError("CA", f"a message announces {size} bytes, more than the {self.max_payload} a value may have")
        return (start, size, count) if available >= start + size else None
