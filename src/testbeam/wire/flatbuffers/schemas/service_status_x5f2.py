"""The x5f2 message: what a service says of itself at an interval.

Source: x5f2_status.fbs.
"""

from testbeam.model.status import ServiceStatus
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.codec.tables import Scalar, String, Table

X5F2 = Table(
    "x5f2",
    (
        String("software_name", 0),
        String("software_version", 1),
        String("service_id", 2),
        String("host_name", 3),
        Scalar("process_id", 4, "I"),
        Scalar("update_interval", 5, "I"),
        String("status_json", 6),
    ),
)


def decode_x5f2(buffer: bytes) -> ServiceStatus:
    """Return the status; its JSON is not looked into.

    Raises:
        WireError: the buffer is not a valid x5f2.
    """
    software_name, software_version, service_id, host_name, process_id, update_interval_ms, status_json = read(buffer, X5F2)
    return ServiceStatus(
        software_name=software_name,
        software_version=software_version,
        service_id=service_id,
        host_name=host_name,
        process_id=process_id,
        update_interval_ms=update_interval_ms,
        status_json=status_json,
    )


def encode_x5f2(status: ServiceStatus) -> bytes:
    """Return the message.

    Raises:
        WireError: a value does not fit its field.
    """
    return build(
        X5F2,
        (
            status.software_name,
            status.software_version,
            status.service_id,
            status.host_name,
            status.process_id,
            status.update_interval_ms,
            status.status_json,
        ),
    )
