"""Values of Channel Access with their alarm, time, units and limits (the DBR types).

Source: db_access.h of EPICS base 7; "Payload Data Types" of the Channel Access Protocol Specification.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from testbeam.errors import WireError
from testbeam.model.time import EPICS_EPOCH_S, NS_PER_S
from testbeam.wire.pv_reading import Scalar

STRING_BYTES = 40
_CHOICES = 16
_CHOICE_BYTES = 26
_ALARM = struct.Struct(">hh")
_TIME = struct.Struct(">II")


class FieldType(IntEnum):
    """Type of one element on the wire."""

    STRING = 0
    SHORT = 1
    FLOAT = 2
    ENUM = 3
    CHAR = 4
    LONG = 5
    DOUBLE = 6


class Form(IntEnum):
    """What comes with the value; a DBR type is `7 × form + field type`."""

    PLAIN = 0
    STS = 1
    TIME = 2
    GR = 3
    CTRL = 4


_CODES = {
    FieldType.SHORT: "h",
    FieldType.FLOAT: "f",
    FieldType.ENUM: "H",
    FieldType.CHAR: "B",
    FieldType.LONG: "i",
    FieldType.DOUBLE: "d",
}
_SIZES = {FieldType.STRING: STRING_BYTES} | {kind: struct.calcsize(">" + code) for kind, code in _CODES.items()}
_STS_PADDING = {FieldType.CHAR: 1, FieldType.DOUBLE: 4}
_TIME_PADDING = {FieldType.SHORT: 2, FieldType.ENUM: 2, FieldType.CHAR: 3, FieldType.DOUBLE: 4}
# After the alarm: precision of floating types, units, then 6 limits (GR) or 8 (CTRL) in the value's own type.
_GR_HEADS = {
    FieldType.SHORT: "8s",
    FieldType.FLOAT: "hxx8s",
    FieldType.CHAR: "8s",
    FieldType.LONG: "8s",
    FieldType.DOUBLE: "hxx8s",
}
_LIMITS = {Form.GR: 6, Form.CTRL: 8}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Display, alarm and control ranges in units of the value; control limits are the display limits in the GR form."""

    display: tuple[float, float]
    alarm: tuple[float, float]
    warning: tuple[float, float]
    control: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class DbrValue:
    """One decoded value; what its form does not carry has the default. `elements` has one entry an element."""

    elements: tuple[Scalar, ...]
    status: int = 0
    severity: int = 0
    timestamp_ns: int = 0
    units: str = ""
    precision: int | None = None
    choices: tuple[str, ...] = ()
    limits: Limits | None = None


def dbr_type(kind: FieldType, form: Form) -> int:
    """Return the number of a DBR type."""
    return 7 * form + kind


def field_type(number: int) -> FieldType:
    """Return the type of one element.

    Raises:
        WireError: there is no such type.
    """
    try:
        return FieldType(number)
    except ValueError:
        raise WireError("CA", f"{number} is no type of a field") from None


def decode(number: int, count: int, payload: bytes) -> DbrValue:
    """Return the value of DBR type `number` with `count` elements.

    Raises:
        WireError: there is no such type, or the payload is shorter than it must be.
    """
    if not 0 <= number < 7 * len(Form):
        raise WireError("CA", f"{number} is no DBR type that carries a value")
    form, kind = Form(number // 7), FieldType(number % 7)
    if form is Form.PLAIN:
        return DbrValue(elements=_elements(kind, count, payload, 0))
    status, severity = _unpack(_ALARM, payload, 0)
    if form is Form.TIME:
        seconds, nanoseconds = _unpack(_TIME, payload, _ALARM.size)
        start = _ALARM.size + _TIME.size + _TIME_PADDING.get(kind, 0)
        elements = _elements(kind, count, payload, start)
        return DbrValue(elements=elements, status=status, severity=severity, timestamp_ns=_since_1970_ns(seconds, nanoseconds))
    if form is Form.STS or kind is FieldType.STRING:
        elements = _elements(kind, count, payload, _ALARM.size + _STS_PADDING.get(kind, 0))
        return DbrValue(elements=elements, status=status, severity=severity)
    return _decode_properties(form, kind, count, payload, status, severity)


def _decode_properties(form: Form, kind: FieldType, count: int, payload: bytes, status: int, severity: int) -> DbrValue:
    if kind is FieldType.ENUM:
        start = _ALARM.size + 2 + _CHOICES * _CHOICE_BYTES
        elements = _elements(kind, count, payload, start)
        return DbrValue(elements=elements, status=status, severity=severity, choices=_choices(payload))
    layout = struct.Struct(f">{_GR_HEADS[kind]}{_LIMITS[form]}{_CODES[kind]}")
    fields = _unpack(layout, payload, _ALARM.size)
    precision = fields[0] if kind in (FieldType.FLOAT, FieldType.DOUBLE) else None
    units = fields[0 if precision is None else 1]
    upper, lower, upper_alarm, upper_warning, lower_warning, lower_alarm = fields[-_LIMITS[form] :][:6]
    control = (fields[-1], fields[-2]) if form is Form.CTRL else (lower, upper)
    start = _ALARM.size + layout.size + (1 if kind is FieldType.CHAR else 0)
    return DbrValue(
        elements=_elements(kind, count, payload, start),
        status=status,
        severity=severity,
        units=_text(units),
        precision=precision,
        limits=Limits(display=(lower, upper), alarm=(lower_alarm, upper_alarm), warning=(lower_warning, upper_warning), control=control),
    )


def _choices(payload: bytes) -> tuple[str, ...]:
    (number,) = _unpack(struct.Struct(">h"), payload, _ALARM.size)
    if not 0 <= number <= _CHOICES:
        raise WireError("CA", f"an enum has {number} choices, more than the {_CHOICES} there is room for")
    first = _ALARM.size + 2
    return tuple(_text(payload[first + i * _CHOICE_BYTES : first + (i + 1) * _CHOICE_BYTES]) for i in range(number))


def _elements(kind: FieldType, count: int, payload: bytes, start: int) -> tuple[Scalar, ...]:
    size = _SIZES[kind]
    if kind is FieldType.STRING and count == 1 and start < len(payload) < start + size:
        return (_text(payload[start:]),)  # servers send a single string without its unused bytes
    if start + count * size > len(payload):
        raise WireError("CA", f"{count} elements of {kind.name} need {start + count * size} bytes, the message has {len(payload)}")
    if kind is FieldType.STRING:
        return tuple(_text(payload[at : at + size]) for at in range(start, start + count * size, size))
    return struct.unpack_from(f">{count}{_CODES[kind]}", payload, start)


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode(errors="replace")


def _unpack(layout: struct.Struct, payload: bytes, start: int) -> tuple[Any, ...]:
    if len(payload) < start + layout.size:
        raise WireError("CA", f"a value needs {start + layout.size} bytes before its elements, the message has {len(payload)}")
    return layout.unpack_from(payload, start)


def _since_1970_ns(seconds: int, nanoseconds: int) -> int:
    """Return 0 for the EPICS epoch itself: the time of a record that was never processed."""
    return (seconds + EPICS_EPOCH_S) * NS_PER_S + nanoseconds if seconds or nanoseconds else 0


def encode(kind: FieldType, elements: Sequence[Scalar]) -> bytes:
    """Return the payload of plain elements of one type.

    Raises:
        WireError: an element does not fit the type.
    """
    try:
        if kind is FieldType.STRING:
            return b"".join(_fixed_string(str(element)) for element in elements)
        return struct.pack(f">{len(elements)}{_CODES[kind]}", *elements)
    except (struct.error, OverflowError) as error:
        raise WireError("CA", f"{_shown(elements)} does not fit {kind.name}: {error}") from None


def _fixed_string(text: str) -> bytes:
    raw = text.encode()
    if len(raw) >= STRING_BYTES:
        raise WireError("CA", f"{text!r} has {len(raw)} bytes, a string of Channel Access holds {STRING_BYTES - 1}")
    return raw.ljust(STRING_BYTES, b"\0")


def _shown(elements: Sequence[Scalar]) -> str:
    return repr(elements[0]) if len(elements) == 1 else f"{len(elements)} elements"
