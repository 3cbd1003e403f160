"""The ep00 message: the older form of ep01, with fewer states. Source: ep00_epics_connection_info.fbs."""

from testbeam.errors import WireError
from testbeam.model.samples import ConnectionChange, ConnectionState
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.codec.enums import member
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.codec.tables import Scalar, String, Table

EP00 = Table(
    "ep00",
    (Scalar("timestamp", 0, "Q"), Scalar("type", 1, "H"), String("source_name", 2), String("service_id", 3)),
    created="service_id source_name",
    added="service_id source_name type timestamp",
)
_LAST = ConnectionState.DESTROYED  # of the states it knows, which are numbered as in ep01


def decode_ep00(buffer: bytes) -> ConnectionChange:
    """Return the connection change.

    Raises:
        WireError: the buffer is not a valid ep00.
    """
    timestamp_ns, kind, source_name, service_id = read(buffer, EP00)
    state = member("ep00", ConnectionState, _checked(kind))
    return ConnectionChange(source_name=source_name, timestamp_ns=timestamp_ns, state=state, service_id=service_id)


def encode_ep00(change: ConnectionChange) -> bytes:
    """Return the message.

    Raises:
        WireError: a value does not fit its field, or ep00 has no such state.
    """
    return build(EP00, (change.timestamp_ns, _checked(change.state), change.source_name, change.service_id))


def _checked(state: int) -> int:
    if state > _LAST:
        raise WireError("ep00", f"{state} is no state in it; the last one is {int(_LAST)} {_LAST.name}")
    return state
