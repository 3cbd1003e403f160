"""A job without Kafka: messages in, a finished file out."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from testbeam.model.samples import Alarm, ConnectionChange, ConnectionState, Events, LogValue, Severity
from testbeam.nexus import compose
from testbeam.nexus.structure import parse
from testbeam.runtime.counters import Drops
from testbeam.services.filewriter.nexus_file import NexusFile
from testbeam.services.filewriter.plan import plan
from testbeam.services.filewriter.router import Router
from testbeam.wire.flatbuffers.registry import ENCODERS

START_NS, STOP_NS = 1_000, 2_000
NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)


def encode(value: Any) -> bytes:
    name = {LogValue: "f144", Events: "ev44", Alarm: "al00", ConnectionChange: "ep01"}[type(value)]
    return ENCODERS[name](value)


def log(time: int, value: Any = 1.5, source: str = "speed") -> bytes:
    number = np.float64(value) if isinstance(value, int | float) else np.asarray(value)[()]
    return encode(LogValue(source_name=source, value=number, timestamp_ns=time))


def alarm(time: int, message: str = "", severity: Severity = Severity.MINOR, source: str = "speed") -> bytes:
    return encode(Alarm(source_name=source, timestamp_ns=time, severity=severity, message=message))


def connection(time: int, state: ConnectionState = ConnectionState.CONNECTED, source: str = "speed") -> bytes:
    return encode(ConnectionChange(source_name=source, timestamp_ns=time, state=state, service_id="forwarder"))


def events(
    times: int | Sequence[int],
    offsets: Sequence[int],
    ids: Sequence[int] | None = None,
    *,
    index: Sequence[int] = (0,),
    source: str = "panel",
) -> bytes:
    return encode(
        Events(
            source_name=source,
            message_id=1,
            reference_time_ns=np.atleast_1d(np.array(times, np.int64)),
            reference_time_index=np.array(index, np.int32),
            time_of_flight_ns=np.array(offsets, np.int32),
            pixel_id=np.array(offsets if ids is None else ids, np.int32),
        )
    )


@dataclass
class Writing:
    """One job in `folder`; data topics are "motion" and "detector", of two partitions each."""

    folder: Path
    nodes: Sequence[compose.Node]
    stop_ns: int = STOP_NS
    partitions: dict[str, int] = field(default_factory=lambda: {"motion": 2, "detector": 2})
    leeway_ns: int = 2**63 - 1
    start_ns: int = START_NS

    def __post_init__(self) -> None:
        root = parse(compose.nexus_structure(*self.nodes))
        self.drops = Drops(logging.getLogger("test"))
        self.file = NexusFile(self.folder / "a.nxs", root, plan(root), NOW)
        self.router = Router(start_ns=self.start_ns, stop_ns=self.stop_ns, leeway_ns=self.leeway_ns, drops=self.drops)
        self.router.open(self.file.routes, self.partitions)

    def take(self, *buffers: bytes | None, topic: str = "motion", partition: int = 0) -> None:
        self.router.take(topic, partition, buffers)

    def finish(self) -> h5py.File:
        """Close the file; return it opened to read. Nothing that came in may be unaccounted for."""
        self.router.finish()
        self.file.close()
        assert self.router.received == self.router.written + self.drops.total
        return h5py.File(self.file.path)


def read(file: h5py.File, *paths: str) -> list[list[Any]]:
    return [file[path][:].tolist() for path in paths]
