"""The lease topic: what a writer does with its own lease, and which leases of others have expired."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from testbeam.errors import TopicMissing, TransportError
from testbeam.runtime import clock
from testbeam.services.filewriter.feedback import Feedback
from testbeam.services.filewriter.lease import Lease, LeaseTable, decode_lease
from testbeam.transport.kafka.client import Kafka, Reader, create_topics

_CONFIG = {"cleanup.policy": "compact", "segment.ms": "600000", "min.cleanable.dirty.ratio": "0.1"}
_AT_ONCE = 1000
_CONFIRM_S = 5.0


@dataclass(slots=True)
class LeaseTopic:
    """Leases of one pool. Where the topic can't be had there are none: jobs are done all the same, and not taken up."""

    kafka: Kafka
    topic: str
    feedback: Feedback
    log: logging.Logger
    monotonic_s: Callable[[], float] = time.monotonic
    table: LeaseTable = field(default_factory=LeaseTable)
    _reader: Reader | None = None
    _given_up: bool = False

    def open(self) -> bool:
        """Begin to read all records; tell whether there are leases."""
        if self._reader is None and not self._given_up:
            try:
                self._reader = self._opened()
            except TransportError as error:
                self._given_up = True
                self.log.warning("no leases: %s; the job of a writer that is killed is not taken up by another", error)
        return self._reader is not None

    def _opened(self) -> Reader:
        reader = self.kafka.reader()
        try:
            try:
                marks = reader.watermarks(self.topic)
            except TopicMissing:
                create_topics(self.kafka, {self.topic: 1}, config=_CONFIG)
                marks = reader.watermarks(self.topic)
            reader.assign({(self.topic, number): low for number, (low, _high) in marks.items()})
        except BaseException:
            reader.close()
            raise
        return reader

    def poll(self, wait_s: float = 0) -> None:
        """Take in the records that there are."""
        if self._reader is None:
            return
        with suppress(TransportError):  # a topic that was deleted: as if nobody renewed anything
            while messages := self._reader.read(_AT_ONCE, wait_s):
                for message in messages:
                    lease = decode_lease(message.value())
                    if lease is not None:
                        age_s = (clock.wall_ms() - message.timestamp()[1]) / 1000
                        self.table.observe(lease, self.monotonic_s(), age_s)
                wait_s = 0

    def put(self, lease: Lease) -> None:
        """Write a record; others see it as soon as Kafka has it."""
        if self._reader is not None:
            self.feedback.put(self.topic, lease.lease_id.encode(), lease.encode(), self.monotonic_s())

    def confirm(self, lease: Lease) -> tuple[Lease, bool]:
        """Write the next record, read up to it, and return it and whether its owner holds the lease.

        Without leases, or where Kafka does not answer in time, nobody else can have it.
        """
        lease = replace(lease, nonce=lease.nonce + 1)
        if self._reader is None:
            return lease, True
        self.put(lease)
        end_s = self.monotonic_s() + _CONFIRM_S
        while not self.table.has_seen(lease):
            if self.monotonic_s() > end_s:
                return lease, True
            self.feedback.listen(self.monotonic_s())
            self.poll(0.02)
        return lease, self.table.is_owner(lease)

    def close(self) -> None:
        """Leave the broker."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
