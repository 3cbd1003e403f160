"""The 6s4t message: stop a file-writing job, now or at a time.

Source: 6s4t_run_stop.fbs.
"""

from testbeam.model.runs import RunStop
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.codec.tables import Scalar, String, Table

_6S4T = Table(
    "6s4t",
    (Scalar("stop_time", 0, "Q"), String("run_name", 1), String("job_id", 2), String("service_id", 3), String("command_id", 4)),
    created="service_id job_id run_name command_id",
    added="service_id job_id run_name stop_time command_id",
)


def decode_6s4t(buffer: bytes) -> RunStop:
    """Return the run stop.

    Raises:
        WireError: the buffer is not a valid 6s4t.
    """
    stop_time_ms, run_name, job_id, service_id, command_id = read(buffer, _6S4T)
    return RunStop(job_id=job_id, command_id=command_id, stop_time_ms=stop_time_ms, run_name=run_name, service_id=service_id)


def encode_6s4t(stop: RunStop) -> bytes:
    """Return the message.

    Raises:
        WireError: a value does not fit its field.
    """
    return build(_6S4T, (stop.stop_time_ms, stop.run_name, stop.job_id, stop.service_id, stop.command_id))
