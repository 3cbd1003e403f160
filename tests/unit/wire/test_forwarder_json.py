import json
from typing import Any

import pytest

from testbeam.errors import WireError
from testbeam.model.forwarding import ConfigChange, ForwarderCommand, Protocol, StreamSpec
from testbeam.wire.flatbuffers.schemas.forwarder_command_fc00 import encode_fc00
from testbeam.wire.flatbuffers.schemas.forwarder_command_rf5k import encode_rf5k
from testbeam.wire.forwarder_json import LARGEST_BYTES, Exit, decode_command, decode_streams
from tests.hostile.corpus import HOSTILE

STREAM = StreamSpec(channel="A:B", schema="f142", topic="data", protocol=Protocol.CA)
ADD = ForwarderCommand(change=ConfigChange.ADD, streams=(STREAM,))


def said(command: Any) -> bytes:
    return json.dumps(command).encode()


def test_every_form_of_a_command_is_read() -> None:
    stream = {"channel": "A:B", "channel_provider_type": "ca", "converter": {"schema": "f142", "topic": "data", "name": "any"}}

    assert (
        decode_command(encode_fc00(ADD))
        == decode_command(encode_rf5k(ADD))
        == decode_command(said({"cmd": "add", "streams": [stream]}))
        == ADD
    )
    assert decode_command(b" \n" + said({"cmd": "stop_all"})) == ForwarderCommand(change=ConfigChange.REMOVEALL)
    assert decode_command(said({"cmd": "exit"})) == Exit()
    assert decode_streams(said({"streams": [stream]})) == (STREAM,)


def test_a_list_of_converters_is_a_stream_each_and_pva_is_the_default() -> None:
    converters = [{"schema": "f142", "topic": "//host:9092/data"}, {"schema": "f144", "topic": "other"}]

    command = decode_command(said({"cmd": "add", "streams": [{"channel": "A", "converter": converters}]}))

    assert isinstance(command, ForwarderCommand)
    assert [(s.schema, s.topic, s.protocol) for s in command.streams] == [("f142", "data", Protocol.PVA), ("f144", "other", Protocol.PVA)]


def test_a_stopped_channel_is_no_pattern() -> None:
    command = decode_command(said({"cmd": "stop_channel", "channel": "A[1]*"}))

    assert command == ForwarderCommand(change=ConfigChange.REMOVE, streams=(StreamSpec(channel="A[[]1][*]", schema="", topic=""),))


@pytest.mark.parametrize(
    "command",
    [
        [],
        {},
        {"cmd": 3},
        {"cmd": "add"},
        {"cmd": "add", "streams": {}},
        {"cmd": "add", "streams": [3]},
        {"cmd": "add", "streams": [{"channel": "A"}]},
        {"cmd": "add", "streams": [{"channel": ["A"], "converter": {}}]},
        {"cmd": "add", "streams": [{"channel": "A", "converter": [None]}]},
        {"cmd": "add", "streams": [{"channel": "A", "converter": {}, "channel_provider_type": "chaos"}]},
        {"cmd": "stop_channel", "channel": 7},
    ],
)
def test_what_is_no_command_is_a_wire_error(command: Any) -> None:
    with pytest.raises(WireError):
        decode_command(b"{" * (command == []) + said(command))


@pytest.mark.parametrize("payload", [b'{"a":' * 100_000, b"{", b'{"cmd": "\xff"}', b"{}" + bytes(LARGEST_BYTES)])
def test_hostile_json_is_a_wire_error(payload: bytes) -> None:
    with pytest.raises(WireError):
        decode_command(payload)


def test_nothing_hostile_is_a_command() -> None:
    obeyed = []
    for name, payload in HOSTILE:
        try:
            decode_command(payload)
        except WireError:
            continue
        obeyed.append(name)

    assert obeyed == []
