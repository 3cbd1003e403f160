"""The frames of the daemon protocol: commands in, replies and events out; all numbers big-endian.

A connection begins with 16 bytes that name the client; its second connection, for events, begins with the same ones.
Source: docs/reference/contracts/control.md, "Daemon protocol".
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from testbeam.errors import WireError
from testbeam.wire.nicos.daemon_words import Command, Event

CLIENT_ID_BYTES = 16
MOST_COMMAND_BYTES = 64_000_000
_ENQ, _ACK, _NAK, _STX = b"\x05", b"\x06", b"\x15", b"\x03"
_COMMAND = struct.Struct(">cHI")
_REPLY = struct.Struct(">cI")
_EVENT = struct.Struct(">cHBI")
_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class CommandFrame:
    """One command; `payload` is as the serialiser left it. A number that is no command is `command` None, told in `number`."""

    number: int
    payload: bytes

    @property
    def command(self) -> Command | None:
        """Return the command of this number."""
        return Command(self.number) if self.number in Command.__members__.values() else None


@dataclass(frozen=True, slots=True)
class ReplyFrame:
    """One reply: whether the command went well, and what was answered, b"" for a bare acknowledgement."""

    ok: bool
    payload: bytes


@dataclass(frozen=True, slots=True)
class EventFrame:
    """One event with its blobs."""

    event: Event
    payload: bytes
    blobs: tuple[bytes, ...] = ()


def encode_command(command: Command, payload: bytes) -> bytes:
    """Return a command's bytes."""
    return _COMMAND.pack(_ENQ, command, len(payload)) + payload


def encode_reply(ok: bool, payload: bytes | None) -> bytes:
    """Return a reply's bytes; None is a bare acknowledgement."""
    if ok and payload is None:
        return _ACK
    return _REPLY.pack(_STX if ok else _NAK, len(payload or b"")) + (payload or b"")


def live_data_words(device: str, time_s: float, dtype: str, shape: Sequence[int]) -> dict[str, Any]:
    """Return what the event of an array says of it; its bytes are the event's blob."""
    axes = {axis: {"define": "classic"} for axis in "xyz"[: max(len(shape), 1)]}
    described = {"dtype": dtype, "shape": list(shape), "labels": axes, "plotcount": 1}
    return {"uid": 0, "time": time_s, "det": device, "tag": "live", "datadescs": [described]}


def encode_event(event: Event, payload: bytes, blobs: Sequence[bytes] = ()) -> bytes:
    """Return an event's bytes."""
    parts = [_EVENT.pack(_STX, event, len(blobs), len(payload)), payload]
    for blob in blobs:
        parts += [_LENGTH.pack(len(blob)), blob]
    return b"".join(parts)


def take_command(buffer: bytearray) -> CommandFrame | None:
    """Take the first command off the buffer; None while it is not whole.

    Raises:
        WireError: what is there is no command, or one too long.
    """
    if buffer and buffer[:1] != _ENQ:
        raise WireError("daemon command", f"begins with {bytes(buffer[:1])!r}, not with {_ENQ!r}")
    if len(buffer) < _COMMAND.size:
        return None
    _, number, length = _COMMAND.unpack_from(buffer)
    if length > MOST_COMMAND_BYTES:
        raise WireError("daemon command", f"{length} bytes are more than {MOST_COMMAND_BYTES}")
    payload = _take(buffer, _COMMAND.size, length)
    return None if payload is None else CommandFrame(number, payload)


def take_reply(buffer: bytearray) -> ReplyFrame | None:
    """Take the first reply off the buffer; None while it is not whole.

    Raises:
        WireError: what is there is no reply.
    """
    if not buffer:
        return None
    if buffer[:1] == _ACK:
        del buffer[:1]
        return ReplyFrame(True, b"")
    if buffer[:1] not in (_STX, _NAK):
        raise WireError("daemon reply", f"begins with {bytes(buffer[:1])!r}")
    if len(buffer) < _REPLY.size:
        return None
    kind, length = _REPLY.unpack_from(buffer)
    payload = _take(buffer, _REPLY.size, length)
    return None if payload is None else ReplyFrame(kind == _STX, payload)


def take_event(buffer: bytearray) -> EventFrame | None:
    """Take the first event off the buffer; None while it is not whole with its blobs.

    Raises:
        WireError: what is there is no event, or one of an unknown number.
    """
    if buffer and buffer[:1] != _STX:
        raise WireError("daemon event", f"begins with {bytes(buffer[:1])!r}")
    if len(buffer) < _EVENT.size:
        return None
    _, number, blob_count, length = _EVENT.unpack_from(buffer)
    if number not in Event.__members__.values():
        raise WireError("daemon event", f"{number:#x} is no event")
    places, end = [(_EVENT.size, length)], _EVENT.size + length
    for _ in range(blob_count):
        if len(buffer) < end + 4:
            return None
        (length,) = _LENGTH.unpack_from(buffer, end)
        places.append((end + 4, length))
        end += 4 + length
    if len(buffer) < end:
        return None
    payload, *blobs = (bytes(buffer[begin : begin + size]) for begin, size in places)
    del buffer[:end]
    return EventFrame(Event(number), payload, tuple(blobs))


def _take(buffer: bytearray, begin: int, length: int) -> bytes | None:
    if len(buffer) < begin + length:
        return None
    payload = bytes(buffer[begin : begin + length])
    del buffer[: begin + length]
    return payload
