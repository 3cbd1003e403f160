"""Messages of a job's results: one da00 an output, with its times, and a copy of what control sees as a device.

Source: docs/reference/contracts/livedata.md, "Results".
"""

from collections.abc import Iterator

import numpy as np

from testbeam.model.arrays import LabelledArray, Variable
from testbeam.model.live import ResultKey
from testbeam.services.livedata.jobs import Job, Result
from testbeam.services.livedata.workflows.seam import Output, Temporality
from testbeam.wire.flatbuffers.schemas.labelled_array_da00 import encode_da00
from testbeam.wire.livedata_messages import encode_result_key


def messages(job: Job, result: Result) -> Iterator[tuple[bool, bytes]]:
    """Yield each message of a result, and whether it is one for control rather than for all."""
    for output in result.outputs:
        start_ns = result.window_start_ns if output.temporality is Temporality.WINDOW else result.start_ns
        variables = (*output.variables, *_times(output, start_ns, result.time_ns))
        key = ResultKey(workflow_id=job.start.workflow_id, job_id=job.job_id, output_name=output.name)
        yield False, _encoded(encode_result_key(key), start_ns, variables)
        if output.name == job.spec.device_output:
            device = f"{job.job_id.source_name}_counts_total"
            yield True, _encoded(device, result.start_ns, (*variables, _time("end_time", result.time_ns)))


def _times(output: Output, start_ns: int, time_ns: int) -> tuple[Variable, ...]:
    if output.temporality is Temporality.SERIES:
        return ()
    return _time("start_time", start_ns), _time("time", time_ns)


def _time(name: str, time_ns: int) -> Variable:
    return Variable(name=name, data=np.array(time_ns, np.int64), unit="ns")


def _encoded(source_name: str, timestamp_ns: int, variables: tuple[Variable, ...]) -> bytes:
    return encode_da00(LabelledArray(source_name=source_name, timestamp_ns=timestamp_ns, variables=variables))
