"""Writer on the shared broker for a test, with topics of its own and data to send."""

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from testbeam.clients.file_writer import FileWriterClient, Job
from testbeam.clients.topics import TopicHandle
from testbeam.model.samples import Alarm, Events, LogValue, Severity
from testbeam.model.time import NS_PER_MS
from testbeam.nexus import compose
from testbeam.stacks.roles.broker.declaration import BrokerHandle
from testbeam.stacks.roles.filewriter.declaration import FileWriterHandle

LEEWAY_S = 0.3
STATUS_S = 0.3
SPEED, PANEL = "TB:SPEED", "panel"


def now_ms() -> int:
    """Return the time in ms since 1970."""
    return time.time_ns() // NS_PER_MS


def log(time_ms: int, value: float = 1.5, source: str = SPEED) -> LogValue:
    """Return a value of a log."""
    return LogValue(source_name=source, value=np.float64(value), timestamp_ns=time_ms * NS_PER_MS)


def alarm(time_ms: int, message: str = "HIHI", source: str = SPEED) -> Alarm:
    """Return an alarm."""
    return Alarm(source_name=source, timestamp_ns=time_ms * NS_PER_MS, severity=Severity.MAJOR, message=message)


def events(time_ms: int, offsets: Sequence[int], source: str = PANEL) -> Events:
    """Return one pulse of events, whose pixel ids are their times of flight and one."""
    return Events(
        source_name=source,
        message_id=1,
        reference_time_ns=np.array([time_ms * NS_PER_MS], np.int64),
        reference_time_index=np.zeros(1, np.int32),
        time_of_flight_ns=np.array(offsets, np.int32),
        pixel_id=np.array(offsets, np.int32) + 1,
    )


@dataclass
class Writing:
    """One test's writer and topics; the control topic is the test's own."""

    broker: BrokerHandle
    writer: FileWriterHandle
    is_ours: bool = True
    prefix: str = field(default_factory=lambda: f"w{uuid.uuid4().hex[:10]}")

    def __post_init__(self) -> None:
        self.control = self.new_topic("control")
        self.data = self.new_topic("data")

    @property
    def client(self) -> FileWriterClient:
        """Return the client of the writer's pool."""
        return self.writer.client

    @property
    def status(self) -> TopicHandle:
        """Return the topic of the writers' status."""
        return self.broker.topic(self.client.status_topic)

    def new_topic(self, name: str, partitions: int = 1) -> TopicHandle:
        """Make a topic of this test."""
        self.broker.create_topics({f"{self.prefix}.{name}": partitions})
        return self.broker.topic(f"{self.prefix}.{name}")

    def speed(self, **config: Any) -> compose.Node:
        """Return a log of one PV."""
        return compose.group("speed", "NXlog", compose.stream("f144", topic=self.data.name, source=SPEED, **config))

    def panel(self) -> compose.Node:
        """Return a detector with its events."""
        return compose.group("panel", "NXevent_data", compose.stream("ev44", topic=self.data.name, source=PANEL))

    def group(self, name: str, module: str, **config: Any) -> compose.Node:
        """Return a group with one stream."""
        return compose.group(name, "NXdata" if module == "da00" else "NXlog", compose.stream(module, **config))

    def start(self, *nodes: compose.Node, name: str = "a", **more: Any) -> Job:
        """Send a start command; the structure has these nodes below an NXentry."""
        structure = compose.nexus_structure(compose.group("entry", "NXentry", *nodes))
        return self.client.start(structure, f"{self.prefix}-{name}.nxs", control_topic=self.control.name, **more)

    def write(self, *nodes: compose.Node, **more: Any) -> Job:
        """Run a job whose stop time is given to its end."""
        job = self.start(*nodes, **more)
        job.wait_started()
        job.wait_written()
        return job

    def send(self, *values: Any, topic: TopicHandle | None = None) -> None:
        """Send values; Kafka's time of a message is its payload time, as where a producer sends at once."""
        for value in values:
            time_ns = value.reference_time_ns[0] if isinstance(value, Events) else value.timestamp_ns
            (topic or self.data).produce(value, timestamp_ms=int(time_ns) // NS_PER_MS)

    def said(self, topic: TopicHandle | None = None) -> list[Any]:
        """Return what is on the control topic (or another), oldest first."""
        return (topic or self.control).messages()

    def schemas(self) -> list[str]:
        """Return the schemas of what is on the control topic, repeated ones once."""
        schemas = [record.schema for record in self.said()]
        return [schema for before, schema in zip(["", *schemas], schemas, strict=False) if schema != before]

    def files(self) -> list[Path]:
        """Return the finished files of this test."""
        return sorted(path for path in self.writer.output.glob(f"{self.prefix}-*.nxs") if not path.stat().st_mode & 0o200)

    def path(self, name: str = "a") -> Path:
        """Return where the file of a job goes."""
        return self.writer.output / f"{self.prefix}-{name}.nxs"


@contextmanager
def entry_of(job: Job) -> Iterator[h5py.Group]:
    """Open the finished file of a job, as any reader would, at its entry."""
    assert job.finished is not None
    with h5py.File(job.finished.file_name) as file:
        yield file["entry"]


def read(entry: h5py.Group, *paths: str) -> list[list[Any]]:
    """Return the values of datasets."""
    return [entry[path][:].tolist() for path in paths]


def ns(*times_ms: int) -> list[int]:
    """Return times in ns."""
    return [time_ms * NS_PER_MS for time_ms in times_ms]


def status_of(record: Any) -> dict[str, Any]:
    """Return the JSON of a status."""
    parsed: dict[str, Any] = json.loads(record.value.status_json)
    return parsed
