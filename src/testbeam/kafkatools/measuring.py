"""Measurement of a topic: rate, lateness of messages, lag of consumers, cost of processes."""

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from testbeam.errors import SettingsError, TransportError, WireError
from testbeam.kafkatools.load import Load, LoadMeter, Processes, parts_of
from testbeam.model.time import NS_PER_MS
from testbeam.transport.kafka.client import Kafka, Reader
from testbeam.wire.flatbuffers.registry import decode
from testbeam.wire.readable.times_of import payload_time_ns

Since = Literal["kafka", "payload"]

_READ_MOST = 1_000
_WAIT_S = 0.1
_LOOK_S = 1.0
_BIN_NS = 10_000  # latencies are counted in steps of 10 µs, so that an hour of them takes no more room than a minute
_DECODED = 100  # messages of one read whose payload time is looked at: it costs a µs each


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long messages took from `since` to their arrival here, in ms; Kafka's timestamps have a resolution of 1 ms.

    `count` messages were looked at; `since` is "Kafka timestamp (CreateTime)", "… (LogAppendTime)" or "payload time".
    """

    since: str
    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How many messages a group has not yet acknowledged (committed), at the beginning and at the end; None: it never did."""

    group: str
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Measurement:
    """What was seen of one topic in `seconds`; `measuring_cpu_s` is what looking itself cost this process."""

    topic: str
    seconds: float
    messages: int
    value_bytes: int
    latency: Latency | None
    lag: Lag | None
    loads: tuple[Load, ...]
    measuring_cpu_s: float

    @property
    def messages_per_s(self) -> float:
        """Return the rate."""
        return self.messages / self.seconds

    @property
    def bytes_per_s(self) -> float:
        """Return the rate of the messages' values."""
        return self.value_bytes / self.seconds

    def load(self, name: str) -> Load:
        """Return what the part of this name used; raise KeyError for another."""
        return {load.name: load for load in self.loads}[name]

    def __repr__(self) -> str:
        return str(self)  # a prompt shows what print would

    def __str__(self) -> str:
        rate = f"{self.messages_per_s:.1f} messages/s, {self.bytes_per_s / 1e6:.3f} MB/s over {self.seconds:.1f} s"
        lines = [f"{self.topic}: {rate}"]
        if self.latency is not None:
            of = self.latency
            lines.append(f"  latency p50 {of.p50_ms:.1f} ms, p99 {of.p99_ms:.1f} ms, max {of.max_ms:.1f} ms from {of.since} to arrival")
        if self.lag is not None:
            lines.append(f"  lag of group {self.lag.group}: {_told(self.lag.before)} before, {_told(self.lag.after)} after")
        for load in self.loads:
            ended = ", ended meanwhile" if load.ended else ""
            lines.append(f"  {load.name}: {load.cpu_s:.2f} s CPU ({load.cores:.2f} cores), {load.memory_bytes / 1e6:.0f} MB{ended}")
        lines.append(f"  measuring: {self.measuring_cpu_s:.2f} s CPU")
        return "\n".join(lines)


def measure(
    kafka: Kafka,
    topic: str,
    for_s: float = 10.0,
    *,
    processes: Processes = (),
    group: str | None = None,
    since: Since = "kafka",
    stop: threading.Event | None = None,
) -> Measurement:
    """Watch what comes on a topic for so long, and what the processes use meanwhile.

    processes: process ids, or names with one or more each; their descendants count to them. group: a consumer group whose lag is
    asked for. since: latency counts from Kafka's timestamp, or from the time inside the payload (f144, al00, ep01: its
    timestamp; ev44: its newest pulse).

    Raises:
        TopicMissing: the topic is not on the broker.
        TransportError: the broker does not answer.
        SettingsError: the time is not positive.
    """
    if for_s <= 0:
        raise SettingsError("for_s", for_s, "more than 0 s")
    stop = stop or threading.Event()
    with kafka.reader() as reader:
        reader.assign_ends([topic])
        before = _lag(kafka, reader, topic, group) if group else None
        meter = LoadMeter(parts_of(processes))
        watch = _Watch(since)
        cpu_s, started_s = time.process_time(), time.monotonic()
        end_s, look_s = started_s + for_s, started_s + _LOOK_S
        while (now_s := time.monotonic()) < end_s and not stop.is_set():
            if now_s >= look_s:
                meter.look()
                look_s += _LOOK_S
            watch.add(_arrived(reader, min(_WAIT_S, end_s - now_s)), time.time_ns())
        seconds = time.monotonic() - started_s
        cpu_s = time.process_time() - cpu_s
        return Measurement(
            topic=topic,
            seconds=seconds,
            messages=watch.messages,
            value_bytes=watch.value_bytes,
            latency=watch.latency(),
            lag=Lag(group=group, before=before, after=_lag(kafka, reader, topic, group)) if group else None,
            loads=meter.loads(seconds),
            measuring_cpu_s=cpu_s,
        )


def _arrived(reader: Reader, wait_s: float) -> Sequence[Message]:
    """Return what has come: wait for the first message only, as a wait for many would delay what is being timed."""
    first = reader.read(1, wait_s)
    return [*first, *reader.read(_READ_MOST, 0)] if first else first


@dataclass(slots=True)
class _Watch:
    """What has arrived so far."""

    since: Since
    messages: int = 0
    value_bytes: int = 0
    bins: Counter[int] = field(default_factory=Counter)
    kinds: set[int] = field(default_factory=set)

    def add(self, arrived: Sequence[Message], at_ns: int) -> None:
        if not arrived:
            return
        self.messages += len(arrived)
        self.value_bytes += sum(map(len, arrived))
        times_ns = self._payload_times(arrived) if self.since == "payload" else self._kafka_times(arrived)
        self.bins.update(((at_ns - np.array(times_ns, np.int64)) // _BIN_NS).tolist())

    def _kafka_times(self, arrived: Sequence[Message]) -> list[int]:
        stamps = [message.timestamp() for message in arrived]
        self.kinds |= {kind for kind, _ in stamps}
        return [at_ms * NS_PER_MS for _, at_ms in stamps]

    def _payload_times(self, arrived: Sequence[Message]) -> list[int]:
        step = -(-len(arrived) // _DECODED)
        return [at_ns for message in arrived[::step] if (at_ns := _payload_time_ns(message)) is not None]

    def latency(self) -> Latency | None:
        """Return what the arrivals amount to; None where there was none with a time."""
        if not self.bins:
            return None
        late = np.array(sorted(self.bins), np.int64)
        up_to = np.cumsum([self.bins[step] for step in late.tolist()])
        p50, p99, most = (float(late[np.searchsorted(up_to, share * up_to[-1])]) * _BIN_NS / NS_PER_MS for share in (0.5, 0.99, 1.0))
        return Latency(since=self._since_words(), count=int(up_to[-1]), p50_ms=p50, p99_ms=p99, max_ms=most)

    def _since_words(self) -> str:
        if self.since == "payload":
            return "payload time"
        names = {1: "CreateTime", 2: "LogAppendTime"}
        return f"Kafka timestamp ({', '.join(names.get(kind, 'none') for kind in sorted(self.kinds))})"


def _payload_time_ns(message: Message) -> int | None:
    try:
        return payload_time_ns(decode(message.value() or b""))
    except WireError:
        return None


def _lag(kafka: Kafka, reader: Reader, topic: str, group: str) -> int | None:
    """Return how many messages of a topic a group has not committed; None where it never committed on it."""
    limits: Mapping[int, tuple[int, int]] = reader.watermarks(topic)
    consumer = Consumer(kafka.config(group_id=group, enable_auto_commit=False))
    try:
        committed = consumer.committed([TopicPartition(topic, partition) for partition in limits], timeout=10)
    except KafkaException as error:
        raise TransportError(f"{kafka.bootstrap}: the offsets of group {group!r}: {error.args[0].str()}") from error
    finally:
        consumer.close()
    if all(place.offset < 0 for place in committed):
        return None
    return sum(limits[place.partition][1] - max(place.offset, limits[place.partition][0]) for place in committed)


def _told(lag: int | None) -> str:
    return "never committed" if lag is None else f"{lag} messages"
