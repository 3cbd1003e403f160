"""The f142 message: one log value of one source (number, text, or a 1-D array of either) with its alarm. Source: f142_logdata.fbs."""

from typing import Any

import numpy as np

from testbeam.errors import WireError
from testbeam.model.samples import AlarmedLogValue, AlarmStatus, Severity
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.codec.enums import member
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.codec.tables import Scalar, String, StringVector, Table, Union, Vector

_CODES = ("b", "B", "h", "H", "i", "I", "q", "Q", "f", "d")  # union type 1 is the first
_DTYPES = ("<i1", "<u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f4", "<f8")
_TYPES = tuple(map(np.dtype, _DTYPES))
_ARRAY = len(_TYPES)  # an array's union type is that of its element plus this
_TEXT, _TEXTS = 21, 22
_SEVERITIES: tuple[Severity | None, ...] = (Severity.MINOR, Severity.MAJOR, Severity.OK, Severity.INVALID, None)  # by f142's own numbers
_UNKNOWN = len(_SEVERITIES) - 1

_VALUES = (
    {1 + i: Table("value", (Scalar("value", 0, code),)) for i, code in enumerate(_CODES)}
    | {1 + _ARRAY + i: Table("value", (Vector("value", 0, dtype),)) for i, dtype in enumerate(_DTYPES)}
    | {
        _TEXT: Table("value", (String("value", 0),)),
        _TEXTS: Table("value", (StringVector("value", 0, last_first=True),)),
    }
)

F142 = Table(
    "f142",
    (
        String("source_name", 0),
        Union("value", 2, _VALUES),
        Scalar("timestamp", 3, "Q"),
        Scalar("status", 4, "H", AlarmStatus.NO_CHANGE),
        Scalar("severity", 5, "H", _UNKNOWN),
    ),
    created="source_name value",
    added="source_name value value_type timestamp status severity",
)


def decode_f142(buffer: bytes) -> AlarmedLogValue:
    """Return the log value; an array is a read-only view into the buffer.

    Raises:
        WireError: the buffer is not a valid f142, has no value, or an alarm that EPICS does not know.
    """
    source_name, typed, timestamp_ns, status, severity = read(buffer, F142)
    if typed is None:
        raise WireError("f142", "has no value")
    if severity > _UNKNOWN:
        raise WireError("f142", f"{severity} is no severity; known are 0 MINOR, 1 MAJOR, 2 NO_ALARM, 3 INVALID, 4 NO_CHANGE")
    kind, (value,) = typed
    return AlarmedLogValue(
        source_name=source_name,
        value=_TYPES[kind - 1].type(value) if kind <= _ARRAY else value,
        timestamp_ns=timestamp_ns,
        status=member("f142", AlarmStatus, status),
        severity=_SEVERITIES[severity],
    )


def encode_f142(log_value: AlarmedLogValue) -> bytes:
    """Return the message; the dtype of a number is its type on the wire, and an alarm that is not said is left out.

    Raises:
        WireError: f142 has no such type, or a value does not fit its field.
    """
    status = None if log_value.status is AlarmStatus.NO_CHANGE else log_value.status
    severity = None if status is None or log_value.severity is None else _SEVERITIES.index(log_value.severity)
    return build(F142, (log_value.source_name, _typed(log_value.value), log_value.timestamp_ns, status, severity))


def _typed(value: Any) -> tuple[int, tuple[Any, ...]]:
    if isinstance(value, str):
        return _TEXT, (value,)
    if isinstance(value, tuple):
        return _TEXTS, (value,)
    array = np.asarray(value)
    dtype = array.dtype.newbyteorder("<")
    if dtype not in _TYPES or array.ndim > 1:
        raise WireError("f142", f"{array.dtype} of rank {array.ndim} has no place in it; it takes text, numbers and 1-D arrays of them")
    kind = 1 + _TYPES.index(dtype)
    return (kind + _ARRAY, (array,)) if array.ndim else (kind, (array.item(),))
