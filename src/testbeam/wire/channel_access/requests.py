"""Requests of a Channel Access client, and the answers that are no values.

Source: Channel Access Protocol Specification, "Commands (UDP and TCP)", "Commands (TCP)".
"""

import struct
from dataclasses import dataclass
from enum import IntFlag

from testbeam.errors import WireError
from testbeam.wire.channel_access.message import MINOR_VERSION, Command, Message, encode

_DO_NOT_REPLY = 5  # to a search for a name that the server does not have
_HEADER_BYTES = 16
_STREAM_START = struct.Struct(">fffHxx")
_MAX_NAME = 500  # what base's own clients accept


class Events(IntFlag):
    """Which changes a subscription reports."""

    VALUE = 1
    LOG = 2
    ALARM = 4
    PROPERTY = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A server's answer to a search: it has the channel, its circuits are at `port`."""

    channel_id: int
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerError:
    """What a server says of a request that it could not serve."""

    status: int
    text: str


def search(name: str, channel_id: int) -> bytes:
    """Return the datagram that asks which server has `name`."""
    version = Message(command=Command.VERSION, data_count=MINOR_VERSION)
    question = Message(
        command=Command.SEARCH,
        data_type=_DO_NOT_REPLY,
        data_count=MINOR_VERSION,
        parameter_1=channel_id,
        parameter_2=channel_id,
        payload=_name(name),
    )
    return encode(version) + encode(question)


def found(message: Message) -> Found:
    """Read the answer to a search; its port is in the place of the data type."""
    return Found(channel_id=message.parameter_2, port=message.data_type)


def greeting(user: str, host: str) -> bytes:
    """Return what a client says first on a circuit."""
    return b"".join(
        (
            encode(Message(command=Command.VERSION, data_count=MINOR_VERSION)),
            encode(Message(command=Command.CLIENT_NAME, payload=_text(user))),
            encode(Message(command=Command.HOST_NAME, payload=_text(host))),
        )
    )


def create_channel(name: str, channel_id: int) -> bytes:
    """Return the request for a channel; the answer carries the server's id of it, its type and its count."""
    return encode(Message(command=Command.CREATE_CHAN, parameter_1=channel_id, parameter_2=MINOR_VERSION, payload=_name(name)))


def read(server_id: int, request_id: int, dbr_type: int, count: int = 0) -> bytes:
    """Return the request for a value; count 0 asks for as many elements as there are."""
    return encode(Message(command=Command.READ_NOTIFY, data_type=dbr_type, data_count=count, parameter_1=server_id, parameter_2=request_id))


def write(server_id: int, request_id: int, dbr_type: int, count: int, payload: bytes) -> bytes:
    """Return the request to write, answered when the record and all it sets off have processed."""
    return encode(
        Message(
            command=Command.WRITE_NOTIFY,
            data_type=dbr_type,
            data_count=count,
            parameter_1=server_id,
            parameter_2=request_id,
            payload=payload,
        )
    )


def subscribe(server_id: int, subscription_id: int, dbr_type: int, events: Events, count: int = 0) -> bytes:
    """Return the request for a value now and at each of `events`."""
    return encode(
        Message(
            command=Command.EVENT_ADD,
            data_type=dbr_type,
            data_count=count,
            parameter_1=server_id,
            parameter_2=subscription_id,
            payload=_STREAM_START.pack(0, 0, 0, events),
        )
    )


def unsubscribe(server_id: int, subscription_id: int, dbr_type: int) -> bytes:
    """Return the request to end a subscription; updates under way may still come, and an empty one at its end."""
    return encode(Message(command=Command.EVENT_CANCEL, data_type=dbr_type, parameter_1=server_id, parameter_2=subscription_id))


def server_error(message: Message) -> ServerError:
    """Read an ERROR message: the header of the request at fault comes first, then a sentence.

    Raises:
        WireError: it is too short for that.
    """
    if len(message.payload) < _HEADER_BYTES:
        raise WireError("CA", f"an error message has {len(message.payload)} bytes, fewer than the header it must repeat")
    text = message.payload[_HEADER_BYTES:].partition(b"\0")[0].decode(errors="replace")
    return ServerError(status=message.parameter_2, text=text)


def _name(name: str) -> bytes:
    encoded = _text(name)
    if not name or len(encoded) > _MAX_NAME or "\0" in name:
        raise WireError("CA", f"{name!r} can't be the name of a PV: 1 to {_MAX_NAME - 1} bytes without NUL")
    return encoded


def _text(text: str) -> bytes:
    return text.encode() + b"\0"
