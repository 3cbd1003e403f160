"""Reading: from which places a worker's topics are read, and batches of each partition.

Commands, answers, regions and data are read from the ends at which the topics stood when the worker began, so that nothing old is done
again and nothing new is missed.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from threading import Event

from confluent_kafka import Message

from testbeam.errors import TransportError
from testbeam.services.livedata.core import Batch
from testbeam.services.livedata.settings import PROG
from testbeam.transport.kafka.client import Reader

_MOST = 500
_LOOK_S = 0.01
_RETRY_S = 0.02
_TELL_S = 3.0
log = logging.getLogger(PROG)


class Reading:
    """A reader of several topics from their ends, with the offset of the next message of each partition."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.next_offsets: dict[tuple[str, int], int] = {}
        self._later: list[Message] = []

    def begin(self, topics: Iterable[str], stop: Event, within_s: float) -> None:
        """Wait for the topics, and note where their ends are.

        Raises:
            TransportError: one is missing or without a leader for too long.
        """
        began_s = told_s = time.monotonic()
        wanted = sorted(set(topics))
        while not stop.is_set():
            try:
                self._reader.partitions_of(wanted, within_s=1.0)
                ends = {(topic, p): high for topic in wanted for p, (_, high) in self._reader.watermarks(topic, 1.0).items()}
            except TransportError as error:
                now_s = time.monotonic()
                if now_s - began_s > within_s:
                    raise
                if now_s - told_s > _TELL_S:
                    log.warning("waits for topics: %s", error)
                    told_s = now_s
                stop.wait(_RETRY_S)
                continue
            self._reader.assign(ends)
            self.next_offsets = ends
            return

    def begin_at(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Read from these offsets on."""
        self._reader.assign(offsets)
        self.next_offsets = dict(offsets)

    def batches(self, ends: Mapping[tuple[str, int], int] | None = None) -> Iterator[Batch]:
        """Yield what has come, by partition, in order; waits a little for the first. What lies at `ends` or beyond is kept for later."""
        found: dict[tuple[str, int], tuple[list[bytes], list[int]]] = {}
        later, self._later = self._later, []
        for message in [*later, *self._reader.read(_MOST, _LOOK_S)]:
            place = message.topic() or "", message.partition() or 0
            if ends is not None and (message.offset() or 0) >= ends.get(place, 0):
                self._later.append(message)
                continue
            payloads, kafka_ms = found.setdefault(place, ([], []))
            payloads.append(message.value() or b"")
            kafka_ms.append(message.timestamp()[1])
            self.next_offsets[place] = (message.offset() or 0) + 1
        for (topic, partition), (payloads, kafka_ms) in found.items():
            yield Batch(topic=topic, partition=partition, payloads=payloads, kafka_ms=kafka_ms)
