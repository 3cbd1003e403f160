import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam.errors import WireError
from testbeam.wire.channel_access import requests
from testbeam.wire.channel_access.message import Command, Message, MessageStream, decode_datagram, encode

UINT16, UINT32 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)
MESSAGES = st.builds(
    Message,
    command=UINT16,
    data_type=UINT16,
    data_count=UINT32,
    parameter_1=UINT32,
    parameter_2=UINT32,
    payload=st.binary(max_size=64).map(lambda raw: raw + bytes(-len(raw) % 8)),
)


def test_a_search_is_the_bytes_of_the_specification() -> None:
    version = struct.pack(">HHHHII", 0, 0, 0, 13, 0, 0)
    question = struct.pack(">HHHHII", 6, 8, 5, 13, 7, 7) + b"VOLT\0\0\0\0"

    assert requests.search("VOLT", 7) == version + question


def test_a_short_message_has_a_header_of_16_bytes_and_a_padded_payload() -> None:
    assert encode(Message(command=Command.READ_NOTIFY, payload=b"x")) == struct.pack(">HHHHII", 15, 8, 0, 0, 0, 0) + b"x" + bytes(7)


def test_a_long_message_has_an_extended_header() -> None:
    raw = encode(
        Message(command=Command.WRITE_NOTIFY, data_type=6, data_count=100_000, parameter_1=1, parameter_2=2, payload=bytes(800_000))
    )

    assert raw[:24] == struct.pack(">HHHHII", 19, 0xFFFF, 6, 0, 1, 2) + struct.pack(">II", 800_000, 100_000)
    assert len(raw) == 24 + 800_000


@given(st.lists(MESSAGES, max_size=8), st.lists(st.integers(1, 40), max_size=60))
def test_a_stream_gives_the_messages_however_its_bytes_are_cut(messages: list[Message], cuts: list[int]) -> None:
    data, stream, seen = b"".join(map(encode, messages)), MessageStream(), list[Message]()
    for size in cuts:
        seen.extend(stream.feed(data[:size]))
        data = data[size:]
    seen.extend(stream.feed(data))

    assert seen == messages
    assert not stream.pending


@given(st.binary(max_size=200))
def test_any_datagram_gives_messages_or_a_wire_error(datagram: bytes) -> None:
    try:
        messages = decode_datagram(datagram)
    except WireError:
        return
    assert sum(len(message.payload) for message in messages) <= len(datagram)


def test_a_datagram_with_half_a_message_at_its_end_is_refused() -> None:
    with pytest.raises(WireError, match="no whole message"):
        decode_datagram(requests.search("VOLT", 7)[:-3])


def test_a_message_that_announces_gigabytes_is_refused_before_it_is_waited_for() -> None:
    header = struct.pack(">HHHHIIII", 15, 0xFFFF, 6, 0, 1, 1, 2**32 - 8, 1)

    with pytest.raises(WireError, match="4294967288 bytes"):
        list(MessageStream().feed(header))


def test_the_answer_to_a_search_names_channel_and_port() -> None:
    (message,) = decode_datagram(struct.pack(">HHHHIIHxxxxxx", 6, 8, 5064, 0, 0xFFFFFFFF, 7, 13))

    assert requests.found(message) == requests.Found(channel_id=7, port=5064)


def test_an_error_message_gives_its_status_and_sentence() -> None:
    payload = bytes(16) + b"no such thing\0"

    error = requests.server_error(Message(command=Command.ERROR, parameter_2=160, payload=payload))

    assert error == requests.ServerError(status=160, text="no such thing")


def test_an_error_message_without_the_request_at_fault_is_refused() -> None:
    with pytest.raises(WireError, match="4 bytes"):
        requests.server_error(Message(command=Command.ERROR, payload=b"oops"))


@pytest.mark.parametrize("name", ["", "A\0B", "x" * 500])
def test_a_name_that_no_server_could_have_is_refused(name: str) -> None:
    with pytest.raises(WireError, match="can't be the name of a PV"):
        requests.search(name, 1)
