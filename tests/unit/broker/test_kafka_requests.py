import contextlib
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam.errors import WireError
from testbeam.wire.kafka import answers
from testbeam.wire.kafka import requests as wire
from testbeam.wire.kafka.requests import TopicSpec

DECODERS: list[Callable[[bytes], Any]] = [
    wire.decode_metadata,
    wire.decode_create_topics,
    wire.decode_find_coordinator,
    wire.decode_offset_fetch,
    wire.decode_init_producer_id,
]


def text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()


def metadata_answer(leader: int = 1) -> bytes:
    partition = struct.pack(">hii", 0, 0, leader) + struct.pack(">ii", 1, 1) + struct.pack(">ii", 1, 1)
    topic = struct.pack(">h", 0) + text("data") + b"\x00" + struct.pack(">i", 1) + partition
    broker = struct.pack(">i", 1) + text("127.0.0.1") + struct.pack(">i", 9092) + struct.pack(">h", -1)
    return struct.pack(">i", 0) + struct.pack(">i", 1) + broker + struct.pack(">i", 1) + struct.pack(">i", 1) + topic


def test_a_request_begins_with_its_length_key_and_version() -> None:
    request = wire.encode_metadata()

    assert struct.unpack(">ihh", request[:8]) == (len(request) - 4, 3, 1)
    assert request.endswith(b"\xff\xff\xff\xff")  # all topics


def test_who_answers_as_a_broker_is_read_as_a_cluster_of_one() -> None:
    answer = answers.answer_to(wire.encode_metadata()[4:], "127.0.0.1", 9092)

    assert wire.frame_length(answer[:4]) == len(answer) - 4
    assert wire.decode_metadata(answer[4:]) == wire.ClusterMetadata(brokers={1: ("127.0.0.1", 9092)}, topics={})


def test_a_version_that_is_not_answered_is_refused_with_those_that_are() -> None:
    refused = answers.answer_to(struct.pack(">hhi", 18, 3, 77), "127.0.0.1", 9092)
    offered = answers.answer_to(struct.pack(">hhi", 18, 0, 78), "127.0.0.1", 9092)

    versions = struct.pack(">ihhhhhh", 2, 18, 0, 0, 3, 1, 1)
    assert refused[4:] == struct.pack(">ih", 77, 35) + versions
    assert offered[4:] == struct.pack(">ih", 78, 0) + versions


@pytest.mark.parametrize("question", [b"", b"\x00\x03\x00\x01\x00", struct.pack(">hhi", 3, 9, 1), struct.pack(">hhi", 0, 1, 1)])
def test_what_is_no_question_of_the_two_kinds_gets_no_answer(question: bytes) -> None:
    with pytest.raises(WireError, match="kafka"):
        answers.answer_to(question, "127.0.0.1", 9092)


def test_topics_are_asked_for_with_partitions_replicas_and_configuration() -> None:
    request = wire.encode_create_topics([TopicSpec("data", partitions=3, config={"cleanup.policy": "compact"})], timeout_ms=500)

    config = struct.pack(">i", 1) + text("cleanup.policy") + text("compact")
    assert request.endswith(struct.pack(">i", 1) + text("data") + struct.pack(">ihi", 3, -1, 0) + config + struct.pack(">i?", 500, False))


def test_the_answer_names_brokers_and_which_topics_can_be_used() -> None:
    found = wire.decode_metadata(metadata_answer())

    assert (found.brokers, found.topics) == ({1: ("127.0.0.1", 9092)}, {"data": True})
    assert wire.decode_metadata(metadata_answer(leader=-1)).topics == {"data": False}


def test_a_topic_that_was_refused_comes_with_the_brokers_words() -> None:
    answer = struct.pack(">iii", 0, 0, 2) + text("good") + struct.pack(">hh", 0, -1) + text("a b") + struct.pack(">h", 17) + text("illegal")

    refused = wire.decode_create_topics(answer)

    assert {name: (refusal.code, refusal.message) for name, refusal in refused.items()} == {"a b": (17, "illegal")}


@pytest.mark.parametrize("decode", DECODERS)
@given(answer=st.binary(max_size=80))
def test_whatever_answers_nothing_but_wire_error_is_raised(decode: Callable[[bytes], Any], answer: bytes) -> None:
    with contextlib.suppress(WireError):
        decode(answer)


@given(st.integers(0, len(metadata_answer()) - 1))
def test_an_answer_that_was_cut_off_is_no_answer(size: int) -> None:
    with pytest.raises(WireError, match="kafka"):
        wire.decode_metadata(metadata_answer()[:size])


def test_an_array_can_not_be_longer_than_the_answer() -> None:
    with pytest.raises(WireError, match="array of 2000000000"):
        wire.decode_metadata(struct.pack(">ii", 0, 2_000_000_000))


def test_what_is_no_kafka_broker_is_told_by_its_first_bytes() -> None:
    with pytest.raises(WireError, match="is this a Kafka broker"):
        wire.frame_length(b"HTTP")
    assert wire.frame_length(struct.pack(">i", 17)) == 17
