"""Messages: what is sent arrives as it was, in the order of its partition, at the offsets and times that clients rely on."""

import time
from typing import Any

import pytest

from testbeam.model.time import NS_PER_MS

MEBIBYTE = 1 << 20


def test_a_message_arrives_byte_for_byte_with_its_key_and_time(topic: Any) -> None:
    data, payload = topic("data"), bytes(range(256))
    now_ms = time.time_ns() // NS_PER_MS

    data.produce(payload, key=b"\x00key\xff", timestamp_ms=now_ms)

    (sent,) = data.messages()
    assert (sent.payload, sent.key, sent.timestamp_ms) == (payload, b"\x00key\xff", now_ms)


def test_messages_of_a_partition_keep_their_order_and_have_offsets_in_a_row(topic: Any) -> None:
    data = topic("data")

    offsets = [data.produce(str(number).encode()) for number in range(50)]

    assert offsets == list(range(offsets[0], offsets[0] + 50))
    assert [int(one.payload) for one in data.messages()] == list(range(50))


def test_a_key_stays_on_one_partition(topic: Any) -> None:
    data = topic("data", partitions=4)
    for number in range(40):
        data.produce(b"x", key=f"source-{number % 8}")

    partitions: dict[bytes, set[int]] = {}
    for one in data.messages():
        partitions.setdefault(one.key, set()).add(one.partition)
    assert len(partitions) == 8
    assert all(len(found) == 1 for found in partitions.values())


@pytest.mark.parametrize("mebibytes", [1, 20])
def test_a_message_as_large_as_a_detector_image_is_taken(topic: Any, mebibytes: int) -> None:
    data, payload = topic("images"), bytes(mebibytes * MEBIBYTE)

    data.produce(payload, within_s=30)

    assert [len(one.payload) for one in data.messages(within_s=30)] == [len(payload)]


def test_a_message_stamped_within_the_next_hour_is_taken(topic: Any) -> None:
    data, ahead_ms = topic("data"), time.time_ns() // NS_PER_MS + 3_500_000

    data.produce(b"early", timestamp_ms=ahead_ms)

    assert [one.timestamp_ms for one in data.messages()] == [ahead_ms]
