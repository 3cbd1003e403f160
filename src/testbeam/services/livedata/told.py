"""Told results: which of a job's results lie in Kafka already, so that whoever takes the job over gives out those that are missing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from testbeam.errors import WireError
from testbeam.model.arrays import LabelledArray
from testbeam.model.live import JobId
from testbeam.model.time import MS_PER_S
from testbeam.services.livedata.jobs import Result
from testbeam.services.livedata.workflows.seam import Output, Temporality
from testbeam.transport.kafka.client import Kafka
from testbeam.wire.flatbuffers.registry import decode
from testbeam.wire.livedata_messages import decode_result_key

LOOK_BACK_MS = 60 * MS_PER_S

Told = Mapping[str, int]  # output → newest time in Kafka, ns


def told_results(kafka: Kafka, topic: str, job_id: JobId, since_ms: int, now_ms: int) -> Told | None:
    """Return what a topic of results holds of a job that began at `since_ms`; None where that may be further back than is looked.

    Raises:
        TransportError: the topic can't be read.
    """
    from_ms = max(since_ms, now_ms - LOOK_BACK_MS)
    with kafka.reader() as reader:
        ends = reader.watermarks(topic)
        bounds = {(topic, p): (offset, ends[p][1]) for p, offset in reader.offsets_at(topic, from_ms).items()}
        payloads = [message.value() or b"" for some in reader.between(bounds) for message in some]
    found = newest(payloads, job_id)
    return found if found or from_ms == since_ms else None


def newest(payloads: Sequence[bytes], job_id: JobId) -> dict[str, int]:
    """Return the newest time of each output of a job among results; a series is as new as its last point."""
    number, found = job_id.job_number.encode(), dict[str, int]()
    for payload in payloads:
        if number not in payload:  # sooner seen than decoded, where others' images are large
            continue
        try:
            array = decode(payload)
            key = decode_result_key(getattr(array, "source_name", ""))
        except WireError:
            continue
        time = array.variable("time") if isinstance(array, LabelledArray) and key.job_id == job_id else None
        if time is not None and not isinstance(time.data, str) and time.data.size:
            found[key.output_name] = max(found.get(key.output_name, 0), int(np.max(time.data)))
    return found


def without_told(result: Result, told: Told) -> tuple[Output, ...]:
    """Return the outputs of a result that are newer than what was told; of a series its newer points."""
    return tuple(one for output in result.outputs if (one := _newer(output, result.time_ns, told.get(output.name, 0))) is not None)


def _newer(output: Output, time_ns: int, told_ns: int) -> Output | None:
    if output.temporality is not Temporality.SERIES:
        return output if time_ns > told_ns else None
    (times,) = (one.data for one in output.variables if one.name == "time")
    later = np.asarray(times) > told_ns
    if not later.any():
        return None
    variables = tuple(replace(one, data=np.asarray(one.data)[later]) if one.axes == ("time",) else one for one in output.variables)
    return replace(output, variables=variables)
