"""The ep01 message: how the connection to one PV is.

Source: ep01_epics_connection.fbs.
"""

from testbeam.model.samples import ConnectionChange, ConnectionState
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.codec.enums import member
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.codec.tables import Scalar, String, Table

EP01 = Table(
    "ep01",
    (Scalar("timestamp", 0, "q"), Scalar("status", 1, "h"), String("source_name", 2), String("service_id", 3)),
    created="service_id source_name",
    added="service_id source_name status timestamp",
)


def decode_ep01(buffer: bytes) -> ConnectionChange:
    """Return the connection change.

    Raises:
        WireError: the buffer is not a valid ep01.
    """
    timestamp_ns, status, source_name, service_id = read(buffer, EP01)
    state = member("ep01", ConnectionState, status)
    return ConnectionChange(source_name=source_name, timestamp_ns=timestamp_ns, state=state, service_id=service_id)


def encode_ep01(change: ConnectionChange) -> bytes:
    """Return the message.

    Raises:
        WireError: a value does not fit its field.
    """
    return build(EP01, (change.timestamp_ns, change.state, change.source_name, change.service_id))
