"""The rf5k message: the forwarder command before fc00, without REPLACE and periodic streams. Source: rf5k_forwarder_config.fbs."""

from testbeam.errors import WireError
from testbeam.model.forwarding import ConfigChange, ForwarderCommand, Protocol, StreamSpec
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.codec.enums import member
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.codec.tables import NestedVector, Scalar, String, Table

_STREAM = Table(
    "stream",
    (String("channel", 0), String("schema", 1), String("topic", 2), Scalar("protocol", 3, "H")),
    added="protocol topic schema channel",
)

RF5K = Table("rf5k", (Scalar("config_change", 0, "H"), NestedVector("streams", 1, _STREAM)), added="streams config_change")


def decode_rf5k(buffer: bytes) -> ForwarderCommand:
    """Return the command with its streams in the order of the wire, none of them periodic.

    Raises:
        WireError: the buffer is not a valid rf5k, or names an unknown change or protocol.
    """
    change, streams = read(buffer, RF5K)
    _check(change)
    return ForwarderCommand(change=member("rf5k", ConfigChange, change), streams=tuple(_stream(*stream) for stream in streams))


def encode_rf5k(command: ForwarderCommand) -> bytes:
    """Return the message.

    Raises:
        WireError: rf5k can't say it (REPLACE, or a periodic stream), or a value does not fit its field.
    """
    _check(command.change)
    if any(stream.periodic for stream in command.streams):
        raise WireError("rf5k", "a periodic stream has no place in it; use fc00")
    streams = tuple((s.channel, s.schema, s.topic, s.protocol) for s in command.streams)
    return build(RF5K, (command.change, streams or None))


def _check(change: int) -> None:
    if change > ConfigChange.REMOVEALL:
        raise WireError("rf5k", f"change {change} has no place in it; known are 0 ADD, 1 REMOVE, 2 REMOVEALL")


def _stream(channel: str, schema: str, topic: str, protocol: int) -> StreamSpec:
    return StreamSpec(channel=channel, schema=schema, topic=topic, protocol=member("rf5k", Protocol, protocol))
