"""NeXus streamer: the events and logs of an existing NeXus file as messages on Kafka, in the order of their times.

Groups that a file-writer filled name topic and source themselves; other NXevent_data and NXlog groups go to the topics that are given,
under their paths as source names. Nothing is held in memory but a block of each group.
"""

import heapq
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from testbeam.errors import NexusError, TransportError
from testbeam.model.samples import Alarm, ConnectionChange, ConnectionState, Events, LogValue, Severity
from testbeam.model.time import NS_PER_MS, NS_PER_S
from testbeam.nexus.files import opened
from testbeam.transport.kafka.client import Kafka, create_topics
from testbeam.wire.flatbuffers.registry import ENCODERS

_BLOCK = 10_000  # rows that are read at once
_POLL_EVERY = 1_000
_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": NS_PER_MS, "s": NS_PER_S, "sec": NS_PER_S, "second": NS_PER_S, "seconds": NS_PER_S}
_CLASSES = ("NXevent_data", "NXlog")


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """One message: where it goes, when (payload time, ns since 1970), and its value."""

    topic: str
    schema: str
    time_ns: int
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class NexusStreamer:
    """How a file is sent: `speed` 1 is as it came, 0 as fast as can be; `now` shifts all times so that the first is now.

    event_topic, log_topic: for groups that name none.
    """

    event_topic: str = ""
    log_topic: str = ""
    speed: float = 0.0
    now: bool = False
    create: bool = False
    stop: Callable[[], bool] = field(default=lambda: False)

    def messages(self, file: h5py.File) -> Iterator[Streamed]:
        """Yield all messages of an open file, by time.

        Raises:
            NexusError: it has no events and no logs, or a group's datasets don't fit each other.
        """
        groups: list[h5py.Group] = []
        file.visititems(lambda _name, item: groups.append(item) if _is_stream(item) else None)
        if not groups:
            raise NexusError(str(file.filename), "has no NXevent_data and no NXlog group with times")
        streams = [messages for group in groups for messages in self._of_group(group)]
        yield from heapq.merge(*streams, key=lambda message: message.time_ns)

    def send(self, kafka: Kafka, path: Path) -> int:
        """Send a file; return how many messages there were.

        Raises:
            NexusError: it can't be read, or has nothing to send.
            TransportError: Kafka did not take all of them.
        """
        sent, failed = 0, list[str]()
        producer = kafka.producer()
        with opened(path) as file:
            if self.create:
                create_topics(kafka, dict.fromkeys({message.topic for message in self._firsts(file)}, 1))
            for message in self._paced(self.messages(file)):
                value = message.value
                producer.produce(
                    message.topic,
                    ENCODERS[message.schema](value),
                    key=value.source_name,
                    timestamp=message.time_ns // NS_PER_MS,
                    on_delivery=lambda error, _message: failed.append(error.str()) if error else None,
                )
                sent += 1
                if not sent % _POLL_EVERY:
                    producer.flush(30)
                if failed or self.stop():
                    break
        left = producer.flush(30)
        if failed or left:
            raise TransportError(f"{kafka.bootstrap}: {left or 'some'} messages were not taken: {failed[0] if failed else 'no answer'}")
        return sent

    def _firsts(self, file: h5py.File) -> Iterator[Streamed]:
        groups: list[h5py.Group] = []
        file.visititems(lambda _name, item: groups.append(item) if _is_stream(item) else None)
        for group in groups:
            for messages in self._of_group(group):
                yield from list(next_of(messages))

    def _paced(self, messages: Iterator[Streamed]) -> Iterator[Streamed]:
        """Yield the messages when their time has come, with the time that they are to bear."""
        first_ns: int | None = None
        begun_ns, begun_s = time.time_ns(), time.monotonic()
        for message in messages:
            first_ns = message.time_ns if first_ns is None else first_ns
            if self.speed:
                due_s = begun_s + (message.time_ns - first_ns) / NS_PER_S / self.speed
                while (left_s := due_s - time.monotonic()) > 0 and not self.stop():
                    time.sleep(min(left_s, 0.1))  # the file's own times are what is waited for
            yield _shifted(message, begun_ns - first_ns) if self.now else message

    def _of_group(self, group: h5py.Group) -> Iterator[Iterator[Streamed]]:
        source = _text(group, "source") or str(group.name)
        if "event_time_zero" in group:
            yield _events(group, _text(group, "topic") or _needed(self.event_topic, group, "--event-topic"), source)
            return
        topic = _text(group, "topic") or _needed(self.log_topic, group, "--log-topic")
        if "value" in group and group["value"].dtype.kind in "biuf":
            yield _logs(group, topic, source)
        if "alarm_time" in group and "alarm_message" in group:
            yield _alarms(group, topic, source)
        if "connection_status_time" in group:
            yield _connections(group, topic, source)


def next_of(messages: Iterator[Streamed]) -> Iterator[Streamed]:
    """Yield the first message, if there is one."""
    first = next(messages, None)
    if first is not None:
        yield first


def _is_stream(item: Any) -> bool:
    return isinstance(item, h5py.Group) and _text(item, "NX_class") in _CLASSES and ("event_time_zero" in item or "time" in item)


def _text(group: h5py.Group, name: str) -> str:
    value = group.attrs.get(name, "")
    return value.decode() if isinstance(value, bytes) else str(value)


def _needed(topic: str, group: h5py.Group, option: str) -> str:
    if not topic:
        raise NexusError(str(group.name), f"names no topic; say where such groups go with {option}")
    return topic


def _times_ns(dataset: h5py.Dataset, start: int, end: int) -> NDArray[np.int64]:
    """Return times in ns since 1970, from the units and the epoch that the dataset's attributes give."""
    units = _UNITS.get(_attribute(dataset, "units") or "ns", 1)
    epoch = _attribute(dataset, "start") or _attribute(dataset, "offset") or "1970-01-01T00:00:00Z"
    first_ns = int(np.datetime64(epoch.split("+")[0].removesuffix("Z"), "ns").astype(np.int64))
    raw = dataset[start:end]
    scaled = np.round(raw.astype(np.float64) * units) if raw.dtype.kind == "f" else raw.astype(np.int64) * units
    times: NDArray[np.int64] = scaled.astype(np.int64) + first_ns
    return times


def _attribute(dataset: h5py.Dataset, name: str) -> str:
    value = dataset.attrs.get(name, "")
    return value.decode() if isinstance(value, bytes) else str(value)


def _blocks(total: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + _BLOCK, total)) for start in range(0, total, _BLOCK))


def _logs(group: h5py.Group, topic: str, source: str) -> Iterator[Streamed]:
    values, times = group["value"], group["time"]
    for start, end in _blocks(min(len(values), len(times)) if values.ndim and times.ndim else 0):
        for value, time_ns in zip(values[start:end], _times_ns(times, start, end).tolist(), strict=True):
            number = np.squeeze(value) if np.ndim(value) else value
            yield Streamed(
                topic=topic, schema="f144", time_ns=time_ns, value=LogValue(source_name=source, value=number, timestamp_ns=time_ns)
            )


def _alarms(group: h5py.Group, topic: str, source: str) -> Iterator[Streamed]:
    times = group["alarm_time"]
    for start, end in _blocks(len(times)):
        rows = zip(
            _times_ns(times, start, end).tolist(), group["alarm_severity"][start:end], group["alarm_message"][start:end], strict=True
        )
        for time_ns, severity, message in rows:
            text = message.decode("utf-8", "replace") if isinstance(message, bytes) else str(message)
            alarm = Alarm(source_name=source, timestamp_ns=time_ns, severity=Severity(int(severity)), message=text)
            yield Streamed(topic=topic, schema="al00", time_ns=time_ns, value=alarm)


def _connections(group: h5py.Group, topic: str, source: str) -> Iterator[Streamed]:
    times = group["connection_status_time"]
    for start, end in _blocks(len(times)):
        for time_ns, state in zip(_times_ns(times, start, end).tolist(), group["connection_status"][start:end], strict=True):
            change = ConnectionChange(
                source_name=source, timestamp_ns=time_ns, state=ConnectionState(int(state)), service_id="testbeam-stream"
            )
            yield Streamed(topic=topic, schema="ep01", time_ns=time_ns, value=change)


def _events(group: h5py.Group, topic: str, source: str) -> Iterator[Streamed]:
    zero, index, offset = group["event_time_zero"], group["event_index"], group["event_time_offset"]
    ids = group.get("event_id")
    total, unit = len(offset), _UNITS.get(_attribute(offset, "units") or "ns", 1)
    for start, end in _blocks(min(len(zero), len(index))):
        times = _times_ns(zero, start, end).tolist()
        bounds = np.r_[index[start:end].astype(np.int64), int(index[end]) if end < len(index) else total].tolist()
        for pulse, time_ns in enumerate(times):
            first, last = bounds[pulse], max(bounds[pulse], bounds[pulse + 1])
            raw = offset[first:last]
            pixels = ids[first:last].astype(np.int32) if ids is not None and len(ids) == total else np.empty(0, np.int32)
            value = Events(
                source_name=source,
                message_id=start + pulse,
                reference_time_ns=np.array([time_ns], np.int64),
                reference_time_index=np.zeros(1, np.int32),
                time_of_flight_ns=np.round(raw * unit).astype(np.int32) if raw.dtype.kind == "f" else (raw * unit).astype(np.int32),
                pixel_id=pixels if not (pixels == -1).all() else np.empty(0, np.int32),
            )
            yield Streamed(topic=topic, schema="ev44", time_ns=time_ns, value=value)


def _shifted(message: Streamed, by_ns: int) -> Streamed:
    value, time_ns = message.value, message.time_ns + by_ns
    if isinstance(value, Events):
        value = replace(value, reference_time_ns=value.reference_time_ns + by_ns)
    else:
        value = replace(value, timestamp_ns=time_ns)
    return replace(message, time_ns=time_ns, value=value)
