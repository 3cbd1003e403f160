"""Frames of PV Access: a header of 8 bytes, and a payload in the byte order that it tells.

Source: pvAccess Protocol Specification, "Message Structure", "Size Encoding", "Strings".
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from testbeam.errors import WireError

MAGIC = 0xCA
HEADER_BYTES = 8

_VERSION = 2
_CONTROL = 0x01
_SEGMENTED = 0x30
_FROM_SERVER = 0x40
_BIG_ENDIAN = 0x80
_LONG = 0xFF  # a size that does not fit one byte is told in four
_NULL = 0xFE
_MOST_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One message; `order` is the byte order in struct's letters."""

    command: int
    payload: bytes
    order: str = "<"
    is_control: bool = False


class Reader:
    """Reads a payload from its begin.

    Raises:
        WireError: it ends too early, in any call.
    """

    def __init__(self, frame: Frame) -> None:
        self._payload, self._order, self._at = frame.payload, frame.order, 0

    def numbers(self, layout: str) -> tuple[int, ...]:
        """Return the numbers of a layout of struct."""
        whole = self._order + layout
        return struct.unpack(whole, self.take(struct.calcsize(whole)))

    def take(self, size: int) -> bytes:
        """Return so many bytes."""
        end = self._at + size
        if end > len(self._payload):
            raise WireError("PV Access", f"a message ends {end - len(self._payload)} bytes too early")
        found, self._at = self._payload[self._at : end], end
        return found

    def size(self) -> int:
        """Return a size; that of nothing at all is 0."""
        (short,) = self.numbers("B")
        if short == _LONG:
            (long,) = self.numbers("I")
            return long
        return 0 if short == _NULL else short

    def text(self) -> bytes:
        """Return a string as it stands, in UTF-8."""
        return self.take(self.size())


def frames(data: bytes) -> Iterator[Frame]:
    """Yield the messages of a datagram; what follows something that is none is passed over.

    Raises:
        WireError: a message is cut short, or is none of PV Access.
    """
    while data:
        found = first_frame(data)
        if found is None:
            raise WireError("PV Access", "a message is cut short")
        frame, size = found
        yield frame
        data = data[size:]


def first_frame(data: bytes) -> tuple[Frame, int] | None:
    """Return the message that data begins with, and its size in bytes; None where its end has not come yet.

    Raises:
        WireError: this is none of PV Access, or one that is too long or in segments.
    """
    if len(data) < HEADER_BYTES:
        return None
    magic, _, flags, command = data[:4]
    order = ">" if flags & _BIG_ENDIAN else "<"
    (size,) = struct.unpack(f"{order}I", data[4:HEADER_BYTES])
    if magic != MAGIC:
        raise WireError("PV Access", f"a message begins with 0xca, not {magic:#04x}")
    if flags & _CONTROL:
        return Frame(command=command, payload=b"", order=order, is_control=True), HEADER_BYTES  # the size is a value of its own there
    if flags & _SEGMENTED or size > _MOST_BYTES:
        raise WireError("PV Access", f"a message of {size} bytes, whole or in segments, is longer than any that finds a server")
    if len(data) < HEADER_BYTES + size:
        return None
    return Frame(command=command, payload=data[HEADER_BYTES : HEADER_BYTES + size], order=order), HEADER_BYTES + size


def encode(command: int, payload: bytes, *, from_server: bool) -> bytes:
    """Return a message whose payload is little-endian."""
    return struct.pack("<BBBBI", MAGIC, _VERSION, _FROM_SERVER if from_server else 0, command, len(payload)) + payload


def sized(data: bytes) -> bytes:
    """Return a string with its size before it."""
    size = len(data)
    return (bytes([size]) if size < _NULL else struct.pack("<BI", _LONG, size)) + data
