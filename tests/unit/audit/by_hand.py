"""A file-writer in the plainest Python there is, straight from the contract, for the audit to be judged by.

It takes one message after the other and keeps everything in lists. It shares nothing with the file-writer or the audit but the schemas.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import h5py
import numpy as np

from testbeam.audit.core import Job, Message
from testbeam.model.samples import Alarm, ConnectionChange, ConnectionState, Events, LogValue, Severity
from testbeam.nexus.compose import group, nexus_structure, stream
from testbeam.wire.flatbuffers.registry import ENCODERS

MS = 1_000_000
START_MS, STOP_MS = 1_000, 2_000

Sent = tuple[int, Any]  # partition, value
SCHEMAS = {LogValue: "f144", Alarm: "al00", ConnectionChange: "ep01", Events: "ev44"}
COLUMNS = {
    "f144": ("time", "value"),
    "al00": ("alarm_time", "alarm_severity", "alarm_message"),
    "ep01": ("connection_status_time", "connection_status"),
    "ev44": ("event_time_zero", "event_index", "event_time_offset", "event_id"),
}


def log(time_ms: float, value: Any = 1.5, source: str = "VOLT", dtype: Any = np.float64) -> LogValue:
    return LogValue(source_name=source, value=np.asarray(value, dtype)[()], timestamp_ns=int(time_ms * MS))


def alarm(time_ms: float, message: str = "HIGH", severity: Severity = Severity.MINOR, source: str = "VOLT") -> Alarm:
    return Alarm(source_name=source, timestamp_ns=int(time_ms * MS), severity=severity, message=message)


def connection(time_ms: float, state: ConnectionState = ConnectionState.CONNECTED, source: str = "VOLT") -> ConnectionChange:
    return ConnectionChange(source_name=source, timestamp_ns=int(time_ms * MS), state=state, service_id="f")


def events(
    time_ms: float | Sequence[float],
    pixels: Sequence[int] | None = (1, 2, 3),
    source: str = "panel",
    index: Sequence[int] = (0,),
    n: int = 3,
) -> Events:
    times = [time_ms] if isinstance(time_ms, int | float) else list(time_ms)
    count = n if pixels is None else len(pixels)
    return Events(
        source_name=source,
        message_id=1,
        reference_time_ns=np.array([int(t * MS) for t in times], np.int64),
        reference_time_index=np.array(index, np.int32),
        time_of_flight_ns=np.arange(count, dtype=np.int32) * 1000 + int(times[0] if times else 0),
        pixel_id=np.array([] if pixels is None else pixels, np.int32),
    )


TEMPERATURE = stream(
    "f144", topic="motion", source="TEMP", dtype="int32", cue_interval=2, enable_alarm_info=False, enable_epics_con_info=False
)
STRUCTURE = nexus_structure(
    group(
        "entry",
        "NXentry",
        group("voltage", "NXlog", stream("f144", topic="motion", source="VOLT")),
        group("temperature", "NXlog", TEMPERATURE),
        group("trace", "NXlog", stream("f144", topic="motion", source="TRACE", array_size=3, meta_data=False)),
        group("panel_events", "NXevent_data", stream("ev44", topic="detector", source="panel")),
        group("monitor_events", "NXevent_data", stream("ev44", topic="monitor", source="monitor")),
    )
)
# path, schema, topic, source, dtype, width
PLACES = (
    ("/entry/voltage", "f144", "motion", "VOLT", np.float64, 0),
    ("/entry/voltage", "al00", "motion", "VOLT", None, 0),
    ("/entry/voltage", "ep01", "motion", "VOLT", None, 0),
    ("/entry/temperature", "f144", "motion", "TEMP", np.int32, 0),
    ("/entry/trace", "f144", "motion", "TRACE", np.float64, 3),
    ("/entry/trace", "al00", "motion", "TRACE", None, 0),
    ("/entry/trace", "ep01", "motion", "TRACE", None, 0),
    ("/entry/panel_events", "ev44", "detector", "panel", None, 0),
    ("/entry/monitor_events", "ev44", "monitor", "monitor", None, 0),
)
TOPICS = {"panel": "detector", "monitor": "monitor"}


def job(nexus_structure: str = STRUCTURE) -> Job:
    return Job(job_id=str(uuid4()), filename="a.nxs", nexus_structure=nexus_structure, start_ms=START_MS, stop_ms=STOP_MS)


def topic_of(value: Any) -> str:
    return TOPICS.get(getattr(value, "source_name", ""), "motion")


def messages(sent: Iterable[Sent], kafka_ms: Sequence[int] = ()) -> list[Message]:
    """Return them as Kafka has them, at these Kafka times; without, at their own."""
    offsets: dict[tuple[str, int], int] = {}
    made = []
    for number, (partition, value) in enumerate(sent):
        place = topic_of(value), partition
        offsets[place] = offsets.get(place, -1) + 1
        payload = value if isinstance(value, bytes | None) else ENCODERS[SCHEMAS[type(value)]](value)
        own_ms = 0 if isinstance(value, bytes | None) else int(time_of(value) / MS) if hasattr(value, "source_name") else 0
        made.append(Message(*place, offsets[place], payload, kafka_ms[number] if kafka_ms else own_ms))
    return made


@dataclass
class Kept:
    """What one place of the file gets."""

    before: Any = None
    inside: list[Any] = field(default_factory=list)
    last: dict[int, int] = field(default_factory=dict)

    def take(self, partition: int, value: Any, *, events: bool) -> None:
        time_ns = time_of(value)
        if time_ns == 0:
            return
        repeated = not events and self.last.get(partition) == time_ns
        self.last[partition] = time_ns
        if time_ns < START_MS * MS and not events and (self.before is None or time_ns > time_of(self.before)):
            self.before = value
        if START_MS * MS <= time_ns <= STOP_MS * MS and not repeated:
            self.inside.append(value)

    @property
    def values(self) -> list[Any]:
        return self.inside if self.before is None else [self.before, *self.inside]


def time_of(value: Any) -> int:
    if isinstance(value, Events):
        return int(value.reference_time_ns[0]) if len(value.reference_time_ns) else 0
    return int(value.timestamp_ns)


def write(sent: Iterable[Sent]) -> h5py.File:
    """Return an open file in memory with everything that belongs into it."""
    kept = [Kept() for _ in PLACES]
    for partition, value in sent:
        if isinstance(value, bytes | None):
            continue
        kind = SCHEMAS[type(value)], topic_of(value), value.source_name, isinstance(value, LogValue) and np.ndim(value.value) > 0
        for place, (_path, schema, topic, source, _dtype, width) in zip(kept, PLACES, strict=True):
            if kind == (schema, topic, source, width > 0):
                place.take(partition, value, events=schema == "ev44")
    file = h5py.File(f"{uuid4()}.nxs", "w", driver="core", backing_store=False)
    for place, (path, schema, _topic, _source, dtype, width) in zip(kept, PLACES, strict=True):
        WRITERS[schema](file.require_group(path), place.values, dtype, width)
    file["entry"].attrs["NX_class"] = "NXentry"
    for path, schema, topic, source, _dtype, _width in PLACES:
        mark(file[path], schema, topic, source)
    return file


def image(sent: Iterable[Sent]) -> bytes:
    """Return such a file as bytes, for `opened`."""
    with write(sent) as file:
        file.flush()
        content: bytes = file.id.get_file_image()
    return content


def opened(content: bytes) -> h5py.File:
    """Return a file in memory with these bytes, open to be changed."""
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_fapl_core(backing_store=False)
    access.set_file_image(content)
    return h5py.File(h5py.h5f.open(f"{uuid4()}.nxs".encode(), h5py.h5f.ACC_RDWR, access))


def mark(group: h5py.Group, schema: str, topic: str, source: str) -> None:
    """Give a group the attributes of a stream, and its times their unit and epoch."""
    group.attrs.update({"topic": topic, "source": source, "NX_class": "NXevent_data" if schema == "ev44" else "NXlog"})
    for name in ("time", "alarm_time", "connection_status_time", "event_time_zero"):
        if name in group:
            group[name].attrs.update({"units": "ns", "start": "1970-01-01T00:00:00Z"})


def write_log(target: h5py.Group, values: list[LogValue], dtype: Any, width: int) -> None:
    values = [v for v in values if not width or np.size(v.value) == width]
    grow(target, "time", np.array([v.timestamp_ns for v in values], np.uint64))
    grow(target, "value", np.array([np.asarray(v.value).astype(dtype) for v in values], dtype).reshape((-1, width) if width else -1))
    cue = np.arange(0, len(values), 2) if target.name == "/entry/temperature" else np.arange(0)
    grow(target, "cue_index", cue.astype(np.int64))
    grow(target, "cue_timestamp_zero", np.array([values[i].timestamp_ns for i in cue], np.int64))
    if not width:
        numbers = np.array([float(np.asarray(v.value).astype(dtype)) for v in values])
        numbers = numbers[~np.isnan(numbers)]
        for name, function in (("minimum_value", np.min), ("maximum_value", np.max), ("average_value", np.mean)):
            target[name] = function(numbers) if len(numbers) else np.nan


def write_alarms(target: h5py.Group, values: list[Alarm], _dtype: Any, _width: int) -> None:
    texts = [(v.message or "NO ALARM MESSAGE").encode() for v in values]
    grow(target, "alarm_time", np.array([v.timestamp_ns for v in values], np.uint64))
    grow(target, "alarm_severity", np.array([v.severity for v in values], np.int16))
    dataset = target.create_dataset("alarm_message", len(texts), h5py.string_dtype("utf-8", 200), maxshape=(None,))
    for row, text in enumerate(texts):
        dataset[row] = text


def write_connections(target: h5py.Group, values: list[ConnectionChange], _dtype: Any, _width: int) -> None:
    grow(target, "connection_status_time", np.array([v.timestamp_ns for v in values], np.uint64))
    grow(target, "connection_status", np.array([v.state for v in values], np.int16))


def write_events(target: h5py.Group, values: list[Events], _dtype: Any, _width: int) -> None:
    first = 0
    index: list[int] = []
    offsets: list[int] = []
    ids: list[int] = []
    for value in values:
        index += [first + int(i) for i in value.reference_time_index]
        offsets += value.time_of_flight_ns.tolist()
        ids += value.pixel_id.tolist() if len(value.pixel_id) else [-1] * len(value.time_of_flight_ns)
        first = len(offsets)
    grow(target, "event_time_zero", np.array([int(t) for v in values for t in v.reference_time_ns], np.uint64))
    grow(target, "event_index", np.array(index, np.int64))
    grow(target, "event_time_offset", np.array(offsets, np.int32))
    grow(target, "event_id", np.array(ids if any(len(v.pixel_id) for v in values) else [], np.int32))
    for name in ("cue_index", "cue_timestamp_zero"):
        grow(target, name, np.zeros(0, np.int64))


def grow(target: h5py.Group, name: str, data: Any) -> None:
    target.create_dataset(name, data=data, maxshape=(None, *data.shape[1:]), chunks=(64, *data.shape[1:]))


WRITERS: dict[str, Any] = {"f144": write_log, "al00": write_alarms, "ep01": write_connections, "ev44": write_events}
