"""A worker without Kafka and without a clock, and messages for it."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np

from testbeam.instruments.loader import Instrument, load
from testbeam.instruments.topics import InstrumentTopics
from testbeam.model.arrays import LabelledArray, Variable
from testbeam.model.live import JobId, ResultKey
from testbeam.model.samples import Events, LogValue
from testbeam.services.livedata.catalogue import catalogue
from testbeam.services.livedata.commands import Jobs
from testbeam.services.livedata.core import Batch, Outgoing, Worker
from testbeam.services.livedata.settings import SERVICES
from testbeam.services.livedata.streams import StreamMap
from testbeam.wire.flatbuffers.registry import ENCODERS, decode
from testbeam.wire.livedata_messages import decode_result_key

S = 1_000_000_000
T0 = 1_700_000_000 * S
NUMBER = str(UUID(int=1))
TOPICS = InstrumentTopics(prefix="dummy")


def events(source: str, at_ns: int | None, time_of_flight_ns: Sequence[int], pixel_id: Sequence[int] = ()) -> bytes:
    """Return an ev44 of one pulse, or of none."""
    pulses = [] if at_ns is None else [at_ns]
    return ENCODERS["ev44"](
        Events(
            source_name=source,
            message_id=0,
            reference_time_ns=np.array(pulses, np.int64),
            reference_time_index=np.zeros(len(pulses), np.int32),
            time_of_flight_ns=np.array(time_of_flight_ns, np.int32),
            pixel_id=np.array(pixel_id, np.int32),
        )
    )


def value(source: str, at_ns: int, number: float) -> bytes:
    """Return an f144."""
    return ENCODERS["f144"](LogValue(source_name=source, value=np.float64(number), timestamp_ns=at_ns))


def start(
    workflow: str = "monitor_histogram",
    source: str = "monitor1",
    *,
    number: str = NUMBER,
    message_id: str | None = "m-1",
    params: Mapping[str, Any] | None = None,
    **more: Any,
) -> bytes:
    """Return a start command."""
    return json.dumps(
        {
            "kind": "workflow_config",
            "identifier": {"instrument": "dummy", "name": workflow, "version": 1},
            "message_id": message_id,
            "job_id": {"source_name": source, "job_number": number},
            "schedule": {"start_time": None, "end_time": None},
            "aux_source_names": {},
            "params": dict(params or {}),
        }
        | more
    ).encode()


class Bench:
    """One worker; time goes on only when it is told to."""

    def __init__(self, services: Sequence[str] = SERVICES, *, designated: bool = True, instrument: Instrument | None = None) -> None:
        self.instrument = instrument or load("dummy")
        topics = InstrumentTopics(prefix=self.instrument.prefix)
        jobs = Jobs(instrument=self.instrument.name, specs=catalogue(self.instrument), hosted=frozenset(services), length_ns=S)
        streams = StreamMap.of(self.instrument, topics)
        self.worker = Worker(topics, streams, jobs, designated=designated, log=logging.getLogger("test"))
        self.now_s = 100.0
        self.now_ns = T0 + 100 * S
        self.sent: list[Outgoing] = []

    def wait(self, seconds: float) -> None:
        """Let time go on."""
        self.now_s += seconds
        self.now_ns += round(seconds * S)
        self.sent += self.worker.tick(self.now_s)

    def command(self, payload: bytes) -> None:
        """Give a command."""
        self.sent += self.worker.take_command(payload, self.now_s)

    def data(self, topic: str, *payloads: bytes, kafka_ns: int | None = None, partition: int = 0) -> None:
        """Give data of a topic, all at once."""
        at_ms = (self.now_ns if kafka_ns is None else kafka_ns) // 1_000_000
        batch = Batch(topic=topic, partition=partition, payloads=payloads, kafka_ms=[at_ms] * len(payloads))
        self.worker.take_data(batch, self.now_s, self.now_ns)
        self.sent += self.worker.tick(self.now_s)

    def monitor(self, at_ns: int, times: Sequence[int], source: str = "monitor1", **more: Any) -> None:
        """Give events of a monitor."""
        self.data(TOPICS.beam_monitor, events(source, at_ns, times, [1] * len(times)), **more)

    def answers(self) -> list[tuple[str | None, str, str]]:
        """Return message id, device and response of each answer so far."""
        found = [json.loads(one.payload) for one in self.sent if one.topic == TOPICS.responses]
        return [(one["message_id"], one["device"], one["response"]) for one in found]

    def reasons(self) -> list[str]:
        """Return the reasons of refusals so far."""
        found = [json.loads(one.payload) for one in self.sent if one.topic == TOPICS.responses]
        return [one["message"] for one in found if one["response"] == "ERR"]

    def results(self, output: str, source: str = "monitor1", number: str | None = None) -> list[LabelledArray]:
        """Return the results of an output so far."""
        found: list[LabelledArray] = []
        for one in self.sent:
            if one.topic != TOPICS.results:
                continue
            array = decode(one.payload)
            key = decode_result_key(array.source_name)
            if (key.output_name, key.job_id.source_name) == (output, source) and number in (None, key.job_id.job_number):
                found.append(array)
        return found

    def keys(self) -> list[ResultKey]:
        """Return the keys of all results so far."""
        return [decode_result_key(decode(one.payload).source_name) for one in self.sent if one.topic == TOPICS.results]

    def counts(self, output: str = "counts_total", source: str = "monitor1", number: str | None = None) -> list[float]:
        """Return the sums of an output's results so far."""
        return [float(np.sum(signal(array))) for array in self.results(output, source, number)]

    def job(self, source: str = "monitor1", number: str = NUMBER) -> Any:
        """Return a job."""
        return self.worker.jobs.by_id[JobId(source_name=source, job_number=number)]


def data_of(array: LabelledArray, name: str) -> Any:
    """Return the data of a variable."""
    found = array.variable(name)
    assert found is not None, f"no {name} in {[v.name for v in array.variables]}"
    return found.data


def signal(array: LabelledArray) -> Any:
    """Return the signal."""
    return data_of(array, "signal")


def regions(job: str, kind: str, shapes: Mapping[int, tuple[Sequence[float], Sequence[float]]], **more: Any) -> bytes:
    """Return a request of regions: index → x, y."""
    dim = {"roi_rectangle": "bounds", "roi_polygon": "vertex"}[kind]
    x = np.array([value for index in sorted(shapes) for value in shapes[index][0]], float)
    y = np.array([value for index in sorted(shapes) for value in shapes[index][1]], float)
    index = np.array([index for index in sorted(shapes) for _ in shapes[index][0]], np.int32)
    return ENCODERS["da00"](
        LabelledArray(
            source_name=f"{job}/{kind}",
            timestamp_ns=0,
            variables=(
                Variable(name="signal", data=np.ones(len(x), np.int32), axes=(dim,), unit=""),
                Variable(name="x", data=x, axes=(dim,), unit=more.get("unit")),
                Variable(name="y", data=y, axes=(dim,), unit=more.get("unit")),
                Variable(name="roi_index", data=index, axes=(dim,), unit=""),
            ),
        )
    )
