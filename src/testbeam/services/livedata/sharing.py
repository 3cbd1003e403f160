"""Sharing of jobs among workers: a consumer group on the topic of jobs says who owns which.

A job belongs to a partition of that topic by its name, and to the worker that has the partition. A worker that gets partitions finds their
jobs there, with the offsets at which their data begin, and replays them. The topic is compacted: the last record of a job counts, an empty
one ends it.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any
from zlib import crc32

from confluent_kafka import Consumer, KafkaException

from testbeam.errors import TransportError, WireError
from testbeam.model.live import JobId, StartJob
from testbeam.services.livedata.replay import Offsets
from testbeam.transport.kafka.client import Kafka
from testbeam.wire.livedata_messages import decode_command, encode_command

log = logging.getLogger("livedata")

_SILENT_S = 5.0
_GROUP = {
    "auto.offset.reset": "latest",
    "enable.auto.commit": False,
    "session.timeout.ms": 6000,
    "heartbeat.interval.ms": 1000,
    "partition.assignment.strategy": "cooperative-sticky",
}

Taken = Callable[[StartJob, Offsets, int], None]  # the last is Kafka's time of the record, ms


class Sharing:
    """One worker's share of the jobs; `take` gets each job that comes with new partitions, `lose` is told when some are gone."""

    def __init__(self, kafka: Kafka, group: str, topic: str, take: Taken, lose: Callable[[], None]) -> None:
        self._kafka, self._topic = kafka, topic
        self._take, self._lose = take, lose
        with kafka.reader() as reader:
            self._slots = len(reader.partitions(topic))
        self.owned: set[int] = set()
        self._kept: dict[JobId, tuple[StartJob, Offsets]] = {}
        self._gained: set[int] = set()
        self._consumer = Consumer(kafka.config(**{"group.id": group}) | _GROUP)
        self._consumer.subscribe([topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)
        self._producer = kafka.producer(linger_ms=0, enable_idempotence=False)

    def owns(self, job_id: JobId) -> bool:
        """Return whether a job is this worker's."""
        return self._slot(job_id) in self.owned

    def step(self) -> bool:
        """Take part in the group, and take over the jobs of partitions that have come; return whether some have."""
        self._consumer.poll(0)
        self._producer.poll(0)
        gained, self._gained = self._gained, set()
        if gained:
            self.owned |= gained
            self._take_over(gained)
        return bool(gained)

    def keep(self, command: StartJob, offsets: Offsets) -> None:
        """Note a job and where its data begin, for whoever owns it next."""
        self._kept[command.job_id] = command, offsets
        places = {f"{topic}\n{partition}": offset for (topic, partition), offset in offsets.items()}
        record = {"command": encode_command(command).decode(), "offsets": places}
        self._send(command.job_id, json.dumps(record).encode())

    def begin_at(self, job_id: JobId, began_ns: int) -> None:
        """Note that of a job's data only those from a time on count."""
        command, offsets = self._kept.get(job_id, (None, {}))
        if command is not None and command.start_time_ns != began_ns:
            self.keep(replace(command, start_time_ns=began_ns), offsets)

    def end(self, job_id: JobId) -> None:
        """Note that a job is over."""
        self._kept.pop(job_id, None)
        self._send(job_id, None)

    def close(self) -> None:
        """Leave the group, so that others take over at once."""
        self._producer.flush(2.0)
        self._consumer.close()

    def _slot(self, job_id: JobId) -> int:
        return crc32(str(job_id).encode()) % self._slots

    def _send(self, job_id: JobId, payload: bytes | None) -> None:
        try:
            self._producer.produce(self._topic, payload, str(job_id).encode(), partition=self._slot(job_id))
        except (BufferError, KafkaException) as error:
            log.warning("job %s is not noted for other workers: %s", job_id, error)

    def _assigned(self, _consumer: Consumer, partitions: list[Any]) -> None:
        self._gained |= {one.partition for one in partitions}

    def _revoked(self, _consumer: Consumer, partitions: list[Any]) -> None:
        self.owned -= {one.partition for one in partitions}
        self._gained -= {one.partition for one in partitions}
        self._kept = {job_id: kept for job_id, kept in self._kept.items() if self.owns(job_id)}
        self._lose()

    def _take_over(self, slots: set[int]) -> None:
        log.info("this worker has %d of %d shares of the jobs", len(self.owned), self._slots)
        try:
            records = self._records(slots)
        except TransportError as error:
            log.warning("the jobs of other workers can't be read, and are asked for again: %s", error)
            self._gained |= slots & self.owned
            return
        for name, (payload, since_ms) in records.items():
            try:
                document = json.loads(payload)
                command = decode_command(document["command"].encode())
                offsets = {_place(text): int(offset) for text, offset in document["offsets"].items()}
            except (WireError, ValueError, KeyError, AttributeError, TypeError) as error:
                log.warning("the record of job %s can't be read: %s", name, error)
                continue
            if isinstance(command, StartJob):
                self._kept[command.job_id] = command, offsets
                self._take(command, offsets, since_ms)

    def _records(self, slots: set[int]) -> Mapping[str, tuple[bytes, int]]:
        """Return the last record of each job on some partitions, with Kafka's time; those that ended have none.

        Raises:
            TransportError: they could not be read to their ends.
        """
        found: dict[str, tuple[bytes, int]] = {}
        with self._kafka.reader() as reader:
            marks = reader.watermarks(self._topic)
            bounds = {(self._topic, slot): marks[slot] for slot in slots}
            for message in chain.from_iterable(reader.between(bounds, silent_s=_SILENT_S)):
                name, payload = (message.key() or b"").decode(errors="replace"), message.value()
                found.pop(name, None)
                if payload:
                    found[name] = payload, message.timestamp()[1]
        return found


def _place(text: str) -> tuple[str, int]:
    topic, _, partition = text.partition("\n")
    return topic, int(partition)
