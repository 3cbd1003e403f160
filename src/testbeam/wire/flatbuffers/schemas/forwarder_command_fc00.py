"""The fc00 message: add, remove or replace streams of a forwarder.

Source: fc00_forwarder_config.fbs.
"""

from testbeam.model.forwarding import ConfigChange, ForwarderCommand, Protocol, StreamSpec
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.codec.enums import member
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.codec.tables import NestedVector, Scalar, String, Table

_STREAM = Table(
    "stream",
    (
        String("channel", 0),
        String("schema", 1),
        String("topic", 2),
        Scalar("protocol", 3, "H"),
        Scalar("periodic", 4, "i"),
    ),
    added="protocol topic schema channel periodic",
)

FC00 = Table("fc00", (Scalar("config_change", 0, "H"), NestedVector("streams", 1, _STREAM)), added="streams config_change")


def decode_fc00(buffer: bytes) -> ForwarderCommand:
    """Return the command with its streams in the order of the wire, each as it came: an incomplete one is the forwarder's to refuse.

    Raises:
        WireError: the buffer is not a valid fc00, or names an unknown change or protocol.
    """
    change, streams = read(buffer, FC00)
    return ForwarderCommand(change=member("fc00", ConfigChange, change), streams=tuple(_stream(*stream) for stream in streams))


def encode_fc00(command: ForwarderCommand) -> bytes:
    """Return the message.

    Raises:
        WireError: a value does not fit its field.
    """
    streams = tuple((s.channel, s.schema, s.topic, s.protocol, s.periodic) for s in command.streams)
    return build(FC00, (command.change, streams or None))


def _stream(channel: str, schema: str, topic: str, protocol: int, periodic: int) -> StreamSpec:
    return StreamSpec(channel=channel, schema=schema, topic=topic, protocol=member("fc00", Protocol, protocol), periodic=periodic)
