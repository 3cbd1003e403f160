"""Replay of a recording onto Kafka: the same bytes, keys and headers, at the same times or as fast as can be."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import KafkaException
from numpy.typing import NDArray

from testbeam.errors import RecordingError, SettingsError, TransportError
from testbeam.kafkatools.recording_file import Summary, summary
from testbeam.kafkatools.replay_names import Names
from testbeam.kafkatools.replay_order import Run, in_file_order, in_time_order
from testbeam.kafkatools.replay_targets import prepare
from testbeam.transport.kafka.client import Kafka
from testbeam.wire.kafka.message import Headers
from testbeam.wire.recording.messages import MessageBatch, decode_headers

_QUEUE = {"queue_buffering_max_kbytes": 128 << 10, "queue_buffering_max_messages": 100_000}  # room for one message of 100 MB
_FLUSH_S = 60.0
_STOPPED_FLUSH_S = 10.0
_LOOK_S = 0.1
_NOW = 0  # what librdkafka takes for "the time of sending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What was sent: messages by target topic as acknowledged, bytes of their values, and what was not, by reason.

    `behind_ms` is how late the latest message was, with a given speed; `notes` say what the user should know beside.
    """

    messages: Mapping[str, int]
    value_bytes: int
    seconds: float
    failed: Mapping[str, int]
    behind_ms: int = 0
    stopped: bool = False
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Return the number of messages on all topics."""
        return sum(self.messages.values())


def replay(
    kafka: Kafka,
    path: Path,
    *,
    names: Names = Names(),
    speed: float | None = 1.0,
    keep_times: bool = True,
    create: bool = False,
    same_topics: bool = False,
    skip_damaged: bool = False,
    stop: threading.Event | None = None,
    on_progress: Callable[[int, int], None] = lambda _messages, _all: None,
) -> Replayed:
    """Send a recording, its order in each partition kept; the whole file is checked before the first message goes out.

    speed: 1.0 as fast as it came by Kafka's timestamps, 2.0 twice as fast, None as fast as the broker takes it.
    keep_times: send with the recorded Kafka timestamps; else with the time of sending. Times inside payloads stay as they are.

    Raises:
        RecordingError: the file is no recording, or damaged and `skip_damaged` is not set; a cut-off end is no damage.
        TopicMissing: a topic is missing and `create` is not set.
        TransportError: a topic can't take the messages, or the broker did not acknowledge them in time.
        SettingsError: the speed or a name can't be used.
    """
    if speed is not None and not speed > 0:  # nor NaN
        raise SettingsError("speed", speed, "a number above 0, or None for as fast as can be")
    told = summary(path)
    if told.harm and not skip_damaged:
        raise RecordingError(path, f"is damaged: {told.harm[0]}{_more(told)}; `skip_damaged=True` replays what is whole")
    targets = names.targets(told.topics)
    ready = prepare(kafka, told, targets, create=create, keep_times=keep_times, same_topics=same_topics)
    sender = _Sender(kafka, targets, keep_times, ready.batch_size, stop or threading.Event())
    runs = in_file_order(path) if speed is None else in_time_order(path)
    sender.send_all(runs, speed, lambda sent: on_progress(sent, told.messages.total()))
    return sender.result((*ready.warnings, *_notes(told)))


class _Sender:
    """One producer and what it was given."""

    def __init__(self, kafka: Kafka, targets: Mapping[str, str], keep_times: bool, batch_size: int, stop: threading.Event) -> None:
        self.stop = stop
        self.bootstrap = kafka.bootstrap
        self.targets = targets
        self.keep_times = keep_times
        self.producer = kafka.producer(delivery_report_only_error=True, batch_size=batch_size, **_QUEUE)
        self.given: Counter[str] = Counter(dict.fromkeys(targets.values(), 0))
        self.lost: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.value_bytes = 0
        self.behind_ms = 0
        self.started_s = time.monotonic()

    def send_all(self, runs: Iterator[Run], speed: float | None, tell: Callable[[int], None]) -> None:
        """Send all that is due until there is nothing more, or it is told to stop."""
        told_s = self.started_s = time.monotonic()
        for run in runs:
            if speed is None:
                self.send(run.batch, run.rows)
                self.producer.poll(0)
            else:
                self._send_when_due(run, speed)
            if self.stop.is_set():
                break
            if time.monotonic() - told_s > _LOOK_S:
                told_s = time.monotonic()
                tell(self.given.total())
        tell(self.given.total())

    def _send_when_due(self, run: Run, speed: float) -> None:
        """Send the rows of a run, those that are due by now together."""
        due_ms, start = run.due_ms.tolist(), 0
        while start < len(due_ms) and self._wait_until(due_ms[start] / speed):
            passed_ms = self._passed_ms() * speed
            end = start + 1
            while end < len(due_ms) and due_ms[end] <= passed_ms:
                end += 1
            self.send(run.batch, run.rows[start:end])
            start = end

    def _wait_until(self, due_ms: float) -> bool:
        """Serve the producer until a message is due; return False if told to stop before."""
        while not self.stop.is_set():
            left_ms = due_ms - self._passed_ms()
            if left_ms <= 0:
                self.behind_ms = max(self.behind_ms, int(-left_ms))
                return True
            self.producer.poll(min(left_ms / 1e3, _LOOK_S))
        return False

    def _passed_ms(self) -> float:
        return (time.monotonic() - self.started_s) * 1e3

    def send(self, batch: MessageBatch, rows: NDArray[np.int64]) -> None:
        """Give rows of a batch to the producer."""
        goals = [(self.targets.get(topic), partition) for topic, partition in batch.partitions]
        columns = (rows.tolist(), batch.partition[rows].tolist(), batch.timestamp_ms[rows].tolist())
        for row, number, at_ms in zip(*columns, strict=True):
            topic, partition = goals[number]
            if topic is not None:
                value, raw = batch.value[row], batch.headers[row]
                headers = decode_headers(raw) if raw else None
                if not self._produce(topic, value, batch.key[row], partition, at_ms if self.keep_times else _NOW, headers):
                    return
                self.given[topic] += 1
                self.value_bytes += len(value) if value else 0

    def _produce(self, topic: str, value: bytes | None, key: bytes | None, partition: int, at_ms: int, headers: Headers | None) -> bool:
        """Give one message to the producer, as soon as it has room; return False if told to stop before."""
        more: dict[str, Any] = {"headers": headers} if headers else {}
        while True:
            try:
                self.producer.produce(topic, value, key, partition, on_delivery=self._undelivered, timestamp=at_ms, **more)
                return True
            except BufferError:
                if self.stop.is_set():
                    return False
                self.producer.poll(_LOOK_S)
            except KafkaException as error:
                self._count(topic, error.args[0])
                return True

    def _undelivered(self, error: Any, message: Any) -> None:
        if error is not None:
            self._count(message.topic(), error)

    def _count(self, topic: str, error: Any) -> None:
        self.lost[topic] += 1
        self.failed[f"{topic}: {error.str()}"] += 1

    def result(self, notes: tuple[str, ...]) -> Replayed:
        """Wait for what is on its way, and return what arrived."""
        within_s = _STOPPED_FLUSH_S if self.stop.is_set() else _FLUSH_S
        left = self.producer.flush(within_s)
        if left:
            self.producer.purge()
            raise TransportError(f"{self.bootstrap}: {left} of {self.given.total()} messages are not acknowledged after {within_s:g} s")
        return Replayed(
            messages=self.given - self.lost if self.lost else dict(self.given),
            value_bytes=self.value_bytes,
            seconds=time.monotonic() - self.started_s,
            failed=dict(self.failed),
            behind_ms=self.behind_ms,
            stopped=self.stop.is_set(),
            notes=notes,
        )


def _notes(told: Summary) -> list[str]:
    damages = [f"left out: {damage}" for damage in told.harm]
    return damages if told.end is not None else [*damages, f"the recording {told.how_it_ends()}"]


def _more(told: Summary) -> str:
    count = len(told.harm) - 1
    return f", and {count} more" if count else ""
