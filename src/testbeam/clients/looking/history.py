"""What lies on a topic between two offsets, and which are the newest messages of those asked for?"""

import time
from collections.abc import Iterator, Mapping

from confluent_kafka import Message

from testbeam.clients.looking.message import Wanted
from testbeam.errors import SettingsError, TransportError
from testbeam.transport.kafka import Reader

Offsets = Mapping[int, int]  # by partition

_SILENT_S = 10.0
_READ_MOST = 1_000
_READ_WAIT_S = 0.05
_WIDER = 10


def bounds(reader: Reader, topic: str, wanted: Wanted) -> dict[int, tuple[int, int]]:
    """Return (oldest, next) offset of the partitions that are asked for.

    Raises:
        TopicMissing: the topic is not on the broker.
        SettingsError: it has no such partition.
    """
    found = reader.watermarks(topic)
    if wanted.partition is None:
        return found
    if wanted.partition not in found:
        raise SettingsError("--partition", wanted.partition, f"one of the partitions of {topic!r}: 0 to {max(found)}")
    return {wanted.partition: found[wanted.partition]}


def between(reader: Reader, topic: str, starts: Offsets, ends: Offsets) -> Iterator[list[Message]]:
    """Yield, as they come, all messages at or after `starts` and before `ends`.

    Raises:
        TransportError: nothing came for 10 s although there should be more.
    """
    left = {partition for partition, end in ends.items() if starts[partition] < end}
    reader.assign({(topic, partition): starts[partition] for partition in left})
    heard_s = time.monotonic()
    while left:
        messages = reader.read(_READ_MOST, _READ_WAIT_S)
        heard_s = time.monotonic() if messages else heard_s
        inside = []
        for message in messages:
            partition, offset = message.partition() or 0, message.offset() or 0
            if offset < ends[partition]:
                inside.append(message)
            if offset >= ends[partition] - 1:
                left.discard(partition)
        left -= {partition or 0 for _, partition in reader.at_end}  # the last offsets may hold no message
        if inside:
            yield inside
        if time.monotonic() - heard_s > _SILENT_S:
            raise TransportError(f"{reader.bootstrap}: {topic}: nothing came for {_SILENT_S:g} s with more to read; is the broker up?")


def newest(reader: Reader, topic: str, limits: Mapping[int, tuple[int, int]], wanted: Wanted, count: int) -> list[Message]:
    """Return the newest `count` messages that are wanted, in the order of time; raise as `between`.

    Goes back from the end in ever larger steps, so that a rare source is found and a common one costs little.
    """
    found: list[Message] = []
    starts = ends = {partition: high for partition, (_, high) in limits.items()}
    step = count
    while len(found) < count and any(ends[partition] > low for partition, (low, _) in limits.items()):
        starts = {partition: max(low, ends[partition] - step) for partition, (low, _) in limits.items()}
        for messages in between(reader, topic, starts, ends):
            found += messages if wanted.is_all else filter(wanted.fits, messages)
        ends, step = starts, step * _WIDER
        if wanted.is_all:
            break  # the newest of all partitions are among the newest of each
    return sorted(found, key=_by_time)[-count:] if count else []


def _by_time(message: Message) -> tuple[int, int, int]:
    return message.timestamp()[1], message.partition() or 0, message.offset() or 0
