"""Search messages of PV Access: as bytes of the field's own clients, cut short anywhere, and in either byte order."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam.errors import WireError
from testbeam.wire.pv_access.messages import Frame, encode, first_frame, frames
from testbeam.wire.pv_access.search import (
    SEARCH,
    Found,
    Search,
    encode_found,
    encode_search,
    encode_validation,
    parse_found,
    parse_search,
)

# What pvAccessJava sends, big-endian: unicast, sequence 7, port 40000, answers to 127.0.0.1, protocol tcp, one name
BIG = (
    bytes.fromhex("ca02 80 03 0000002f 00000007 80 000000 00000000000000000000ffff7f000001 9c40 01 03746370 0001 0000002a 09")
    + b"TEST:VOLT"
)
ASKED = Search(sequence=7, must_reply=False, host="127.0.0.1", port=40_000, names=((42, b"TEST:VOLT"),))


def only(data: bytes) -> Frame:
    (frame,) = frames(data)
    return frame


def test_a_search_in_the_other_byte_order_is_read() -> None:
    assert parse_search(only(BIG)) == ASKED


searches = st.builds(
    Search,
    sequence=st.integers(0, 0xFFFF_FFFF),
    must_reply=st.booleans(),
    host=st.sampled_from(["", "127.0.0.1", "127.8.8.8"]),
    port=st.integers(0, 65_535),
    names=st.lists(st.tuples(st.integers(0, 0xFFFF_FFFF), st.binary(max_size=300)), max_size=5).map(tuple),
)
answers = st.builds(
    Found,
    guid=st.binary(min_size=12, max_size=12),
    sequence=st.integers(0, 0xFFFF_FFFF),
    host=st.sampled_from(["", "127.8.8.8"]),
    port=st.integers(0, 65_535),
    is_found=st.booleans(),
    numbers=st.lists(st.integers(0, 0xFFFF_FFFF), max_size=5).map(tuple),
)


@given(searches)
def test_a_search_comes_back_as_it_went(search: Search) -> None:
    assert parse_search(only(encode_search(search))) == search


@given(answers)
def test_an_answer_comes_back_as_it_went(found: Found) -> None:
    assert parse_found(only(encode_found(found))) == found


@given(st.integers(0, len(BIG) - 1))
def test_a_datagram_that_is_cut_short_is_an_error(end: int) -> None:
    if end:
        with pytest.raises(WireError):
            list(frames(BIG[:end]))


@given(st.binary(max_size=200))
def test_any_payload_is_a_search_or_an_error(payload: bytes) -> None:
    for parse in (parse_search, parse_found):
        with suppress(WireError):
            parse(Frame(command=SEARCH, payload=payload))


@given(st.binary(max_size=100))
def test_any_datagram_is_messages_or_an_error(data: bytes) -> None:
    with suppress(WireError):
        list(frames(data))


def test_a_search_for_another_transport_is_not_for_tcp() -> None:
    payload = only(encode_search(ASKED)).payload.replace(b"\x03tcp", b"\x03tls")
    assert not parse_search(Frame(command=SEARCH, payload=payload)).over_tcp


def test_a_message_of_unlimited_length_is_refused() -> None:
    with pytest.raises(WireError, match="longer than any"):
        first_frame(struct.pack("<BBBBI", 0xCA, 2, 0, SEARCH, 1 << 30))


def test_several_messages_of_one_datagram_and_control_messages_are_told_apart() -> None:
    order = struct.pack("<BBBBI", 0xCA, 2, 0x41, 2, 0xFFFF_FFFF)
    found = list(frames(order + encode(1, b"x", from_server=True) + encode_validation()))
    assert [(frame.command, frame.is_control) for frame in found] == [(2, True), (1, False), (1, False)]
