"""JSON commands of the C++ forwarder, and forwarder commands of any form.

Source: docs/reference/contracts/forwarder.md, "Commands".
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from testbeam.errors import WireError
from testbeam.model.forwarding import ConfigChange, ForwarderCommand, Protocol, StreamSpec
from testbeam.wire.flatbuffers.schemas.forwarder_command_fc00 import decode_fc00
from testbeam.wire.flatbuffers.schemas.forwarder_command_rf5k import decode_rf5k

LARGEST_BYTES = 64 << 20

_JSON = "forwarder command in JSON"
_PROTOCOLS = {"pva": Protocol.PVA, "ca": Protocol.CA, "fake": Protocol.FAKE}
_SCHEMA = slice(4, 8)
_SPACE = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Exit:
    """The command that ends the program."""


def decode_command(payload: bytes) -> ForwarderCommand | Exit:
    """Return the command in a payload: an fc00, an rf5k, or JSON.

    Raises:
        WireError: it is none of them, or larger than any command is.
    """
    if len(payload) > LARGEST_BYTES:
        raise WireError("forwarder command", f"{len(payload)} bytes are more than the {LARGEST_BYTES} that a command may have")
    if payload[_SCHEMA] == b"rf5k":
        return decode_rf5k(payload)
    if payload[:1] in (b"{", b" ", b"\t", b"\r", b"\n") and payload.lstrip(_SPACE)[:1] == b"{":
        return decode_json(payload)
    return decode_fc00(payload)


def decode_json(payload: bytes) -> ForwarderCommand | Exit:
    """Return the command that a JSON object names in `cmd`: add, stop_channel, stop_all or exit.

    Raises:
        WireError: it is no JSON, or no such command.
    """
    command = _object(payload)
    word = command.get("cmd")
    if word == "add":
        return ForwarderCommand(change=ConfigChange.ADD, streams=tuple(_streams(command)))
    if word == "stop_channel":
        channel = _text(command, "channel")
        return ForwarderCommand(change=ConfigChange.REMOVE, streams=(StreamSpec(channel=_literal(channel), schema="", topic=""),))
    if word == "stop_all":
        return ForwarderCommand(change=ConfigChange.REMOVEALL)
    if word == "exit":
        return Exit()
    raise WireError(_JSON, f"cmd {_shown(word)} is none of add, stop_channel, stop_all, exit")


def decode_streams(payload: bytes) -> tuple[StreamSpec, ...]:
    """Return the streams of a file for the start: an object with `streams`, as in an add.

    Raises:
        WireError: it is no such object.
    """
    return tuple(_streams(_object(payload)))


def _object(payload: bytes) -> dict[str, Any]:
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise WireError(_JSON, f"is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise WireError(_JSON, "is no object")
    return found


def _streams(command: dict[str, Any]) -> Iterator[StreamSpec]:
    streams = command.get("streams")
    if not isinstance(streams, list):
        raise WireError(_JSON, "has no list of streams")
    for stream in streams:
        if not isinstance(stream, dict):
            raise WireError(_JSON, f"stream {_shown(stream)} is no object")
        converters = stream.get("converter")
        for converter in converters if isinstance(converters, list) else [converters]:
            yield _stream(stream, converter)


def _stream(stream: dict[str, Any], converter: Any) -> StreamSpec:
    if not isinstance(converter, dict):
        raise WireError(_JSON, f"converter {_shown(converter)} is no object")
    provider = stream.get("channel_provider_type", "pva")
    if provider not in _PROTOCOLS:
        raise WireError(_JSON, f"channel_provider_type {_shown(provider)} is none of {', '.join(_PROTOCOLS)}")
    return StreamSpec(
        channel=_text(stream, "channel"),
        schema=_text(converter, "schema"),
        topic=_text(converter, "topic").rpartition("/")[2],  # it may stand with its broker, //HOST:PORT/TOPIC
        protocol=_PROTOCOLS[provider],
    )


def _text(where: dict[str, Any], name: str) -> str:
    value = where.get(name, "")
    if not isinstance(value, str):
        raise WireError(_JSON, f"{name} {_shown(value)} is no text")
    return value


def _literal(name: str) -> str:
    """Return a name in which no character of `fnmatch` has a meaning: this command knows no wildcards."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _shown(value: Any) -> str:
    return f"{value!r:.60}"
