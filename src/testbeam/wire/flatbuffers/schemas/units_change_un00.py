"""The un00 message: the unit of one source's values. Source: un00_units.fbs of the ISIS schemas."""

from testbeam.model.samples import UnitsChange
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.codec.tables import Scalar, String, Table

UN00 = Table(
    "un00",
    (String("source_name", 0), Scalar("timestamp", 1, "q"), String("units", 2, default=None)),
    created="units source_name",
    added="source_name timestamp units",
    omits_defaults=True,
)


def decode_un00(buffer: bytes) -> UnitsChange:
    """Return the unit.

    Raises:
        WireError: the buffer is not a valid un00.
    """
    source_name, timestamp_ns, units = read(buffer, UN00)
    return UnitsChange(source_name=source_name, timestamp_ns=timestamp_ns, units=units)


def encode_un00(change: UnitsChange) -> bytes:
    """Return the message.

    Raises:
        WireError: a value does not fit its field.
    """
    return build(UN00, (change.source_name, change.timestamp_ns, change.units))
