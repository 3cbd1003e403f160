"""The f144 message: one log value of one source, a number or a 1-D array.

`template_f144` makes many messages of one source fast, `columns_f144` reads many messages at once.
Source: f144_logdata.fbs.
"""

from typing import Any

import numpy as np

from testbeam.errors import WireError
from testbeam.model.samples import LogValue
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.schemas.layouts_f144 import SCALAR_LAYOUTS, SHORTEST, STRUCTURE
from testbeam.wire.flatbuffers.schemas.schema_f144 import ARRAY_KIND, F144, SCALAR_TYPES
from testbeam.wire.flatbuffers.schemas.template_f144 import template

# The __init__ of a frozen dataclass takes as long as all the rest of decoding.
_new = object.__new__
_set_source_name, _set_value, _set_timestamp = (LogValue.__dict__[name].__set__ for name in ("source_name", "value", "timestamp_ns"))


def decode_f144(buffer: bytes) -> LogValue:
    """Return the log value; an array is a read-only view into the buffer.

    Raises:
        WireError: the buffer is not a valid f144, or has no value.
    """
    layout = SCALAR_LAYOUTS.get(buffer[STRUCTURE])
    if layout is None or len(buffer) < SHORTEST:
        return _decode_any(buffer)
    head, timestamp_ns, rest, value, length = layout.unpack(buffer)
    end = layout.name_at + length
    if head != layout.head or rest != layout.rest or end >= len(buffer) or buffer[end]:
        return _decode_any(buffer)
    try:
        source_name = buffer[layout.name_at : end].decode()
    except UnicodeDecodeError:
        return _decode_any(buffer)
    log_value = _new(LogValue)
    _set_source_name(log_value, source_name)
    _set_value(log_value, layout.make(value))
    _set_timestamp(log_value, timestamp_ns)
    return log_value


def encode_f144(log_value: LogValue) -> bytes:
    """Return the message; the dtype of the value is its type on the wire.

    Raises:
        WireError: the value is no number or 1-D array of one of the ten types.
    """
    value = log_value.value
    if isinstance(value, np.generic):
        number_type: Any = type(value)
        return template(log_value.source_name, number_type, None).fill(value, log_value.timestamp_ns)
    array = np.asarray(value)
    if array.ndim > 1:
        raise WireError("f144", f"a value with {array.ndim} dimensions has no place in it; give a number or a 1-D array")
    length = array.size if array.ndim else None
    return template(log_value.source_name, array.dtype.type, length).fill(array if array.ndim else array.item(), log_value.timestamp_ns)


def _decode_any(buffer: bytes) -> LogValue:
    source_name, timestamp_ns, typed = read(buffer, F144)
    if typed is None:
        raise WireError("f144", "has no value")
    kind, (value,) = typed
    number: Any = value if kind > ARRAY_KIND else SCALAR_TYPES[kind - 1].type(value)
    return LogValue(source_name=source_name, value=number, timestamp_ns=timestamp_ns)
