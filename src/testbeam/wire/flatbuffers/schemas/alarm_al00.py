"""The al00 message: the alarm state of one source.

Source: al00_alarm.fbs.
"""

from testbeam.model.samples import Alarm, Severity
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.codec.enums import member
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.codec.tables import Scalar, String, Table

AL00 = Table(
    "al00",
    (String("source_name", 0), Scalar("timestamp", 1, "q"), Scalar("severity", 2, "h"), String("message", 3)),
    created="message source_name",
    added="source_name timestamp severity message",
    omits_defaults=True,
)


def decode_al00(buffer: bytes) -> Alarm:
    """Return the alarm.

    Raises:
        WireError: the buffer is not a valid al00.
    """
    source_name, timestamp_ns, severity, message = read(buffer, AL00)
    return Alarm(source_name=source_name, timestamp_ns=timestamp_ns, severity=member("al00", Severity, severity), message=message)


def encode_al00(alarm: Alarm) -> bytes:
    """Return the message.

    Raises:
        WireError: a value does not fit its field.
    """
    return build(AL00, (alarm.source_name, alarm.timestamp_ns, alarm.severity, alarm.message))
