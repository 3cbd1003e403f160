"""Fields of a record that a format reads and writes, for each type of record and of format.

`write` returns the values that a format writes, `read` stores what it finds and returns whether the record shall convert its raw value
(OK), shall not (DO_NOT_CONVERT), or has no place for it (None).
Source: docs/reference/contracts/ioc.md, "Formats"; the record reference of EPICS base.
"""

import ctypes
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from testbeam.errors import ConversionError
from testbeam.services.ioc.stream.core_library import DO_NOT_CONVERT, OK
from testbeam.services.ioc.stream.fields import CELLS, CHAR, DOUBLE, FLOAT, STRING, STRING_SIZE, UCHAR, Fields
from testbeam.wire.streamdevice.formats import Type, Value
from testbeam.wire.streamdevice.matching import Scan

NUMBERS = (Type.SIGNED, Type.UNSIGNED)
WHOLE = (*NUMBERS, Type.ENUM)
_32, _64 = (1 << 32) - 1, (1 << 64) - 1
_STATES = ("ZR", "ON", "TW", "TH", "FR", "FV", "SX", "SV", "EI", "NI", "TE", "EL", "TV", "TT", "FT", "FF")
_UNKNOWN_STATE = 0xFFFF

Write = Callable[[Fields, Type], Iterable[Value]]
Read = Callable[[Fields, Type, Scan], int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordType:
    """How one type of record takes and gives values."""

    name: str
    link: str  # INP or OUT
    write: Write
    read: Read
    posted: tuple[str, ...] = ("VAL",)  # what clients are told of after @init
    keeps_value: bool = False  # init_record says by its result whether there is a value
    functions: int = 5


def _no_type(fields: Fields, kind: Type) -> ConversionError:
    return ConversionError(f"record {fields.name} has no value of type {kind.value}")


def _number(scan: Scan) -> int | None:
    value = scan.take()
    return None if value is None else int(value)


def _as(kind: Type, value: int) -> int:
    """Return a word of 64 bits as the format means it."""
    return value & _64 if kind is Type.UNSIGNED else value


def _signed32(value: int) -> int:
    value &= _32
    return value - (1 << 32) if value >> 31 else value


# --- analogue ---


def _analogue(fields: Fields, field: str) -> float:
    value = float(fields[field]) - float(fields["AOFF"])
    return value / float(fields["ASLO"]) if fields["ASLO"] not in (0.0, 1.0) else value


def _write_analogue(field: str) -> Write:
    def write(fields: Fields, kind: Type) -> Iterable[Value]:
        if kind is Type.DOUBLE:
            return [_analogue(fields, field if fields["PACT"] else "VAL")]
        if kind not in NUMBERS:
            raise _no_type(fields, kind)
        if fields["LINR"] == 0:
            return [_truncated(_analogue(fields, field if fields["PACT"] else "VAL"))]
        return [_as(kind, fields["RVAL"])]

    return write


def _truncated(value: float) -> int:
    """Return a number without its fraction; what no word holds becomes the smallest, as in C."""
    return int(value) if math.isfinite(value) and abs(value) < 2**63 else -(2**63)


def _scaled(fields: Fields, value: float) -> float:
    slope, offset = float(fields["ASLO"]), float(fields["AOFF"])
    return (value * slope if slope not in (0.0, 1.0) else value) + offset


def _read_ai(fields: Fields, kind: Type, scan: Scan) -> int | None:
    if kind not in (Type.DOUBLE, *NUMBERS):
        return None
    found = scan.take()
    if found is None:
        return None
    if kind in NUMBERS:
        fields["RVAL"] = _signed32(int(found))
        if fields["LINR"] != 0:
            return OK
        found = _as(kind, int(found))
    fields["VAL"] = _smoothed(fields, _scaled(fields, float(found)))
    return DO_NOT_CONVERT


def _smoothed(fields: Fields, value: float) -> float:
    share, before = fields["SMOO"], fields["VAL"]
    if share == 0.0 or fields["INIT"] or fields["UDF"] or not math.isfinite(before):
        return value
    return float(before * share + value * (1.0 - share))


def _read_ao(fields: Fields, kind: Type, scan: Scan) -> int | None:
    if kind not in (Type.DOUBLE, *NUMBERS):
        return None
    found = scan.take()
    if found is None:
        return None
    if kind in NUMBERS:
        fields["RBV"] = fields["RVAL"] = _signed32(int(found))
        found = _as(kind, int(found))
    fields["VAL"] = _scaled(fields, float(found))
    return DO_NOT_CONVERT


def _write_calcout(fields: Fields, kind: Type) -> Iterable[Value]:
    if kind is Type.STRING:
        raise _no_type(fields, kind)
    value = float(fields["OVAL"])
    return [value] if kind is Type.DOUBLE else [_truncated(value)]


def _read_calcout(fields: Fields, kind: Type, scan: Scan) -> int | None:
    if kind is Type.STRING:
        return None
    found = scan.take()
    if found is None:
        return None
    fields["VAL"] = float(found) if kind is Type.DOUBLE else float(_as(kind, int(found)))
    return OK


# --- whole numbers ---


def _write_whole(bits: int) -> Write:
    def write(fields: Fields, kind: Type) -> Iterable[Value]:
        if kind not in WHOLE:
            raise _no_type(fields, kind)
        value = int(fields["VAL"])
        return [value & _32 if bits == 32 and kind is Type.UNSIGNED and value >= 0 else value]

    return write


def _read_whole(fields: Fields, kind: Type, scan: Scan) -> int | None:
    if kind not in WHOLE or (found := _number(scan)) is None:
        return None
    fields["VAL"] = found
    return OK


# --- two and more states ---


def _write_bi(fields: Fields, kind: Type) -> Iterable[Value]:
    if kind in NUMBERS:
        return [int(fields["RVAL"])]
    if kind is Type.ENUM:
        return [int(fields["VAL"])]
    if kind is Type.STRING:
        return [bytes(fields["ONAM" if fields["VAL"] else "ZNAM"])]
    raise _no_type(fields, kind)


def _write_bo(fields: Fields, kind: Type) -> Iterable[Value]:
    if kind is Type.SIGNED:
        value = fields["VAL"]
        return [_signed32(fields["RVAL"]) if fields["MASK"] else (value if value < 0x8000 else value - 0x10000)]
    return _write_bi(fields, kind)


def _masked(fields: Fields, value: int) -> int:
    return value & fields["MASK"] if fields["MASK"] else value


def _two_states(fields: Fields, text: Value | None) -> int | None:
    names = (bytes(fields["ZNAM"]), bytes(fields["ONAM"]))
    return names.index(text) if isinstance(text, bytes) and text in names else None


def _read_bi(fields: Fields, kind: Type, scan: Scan) -> int | None:
    if kind in NUMBERS:
        found = _number(scan)
        if found is None:
            return None
        fields["RVAL"] = _masked(fields, found)
        return OK
    state = _two_states(fields, scan.take(26)) if kind is Type.STRING else _number(scan) if kind is Type.ENUM else None
    if state is None:
        return None
    fields["VAL"] = int(state != 0)
    return DO_NOT_CONVERT


def _read_bo(fields: Fields, kind: Type, scan: Scan) -> int | None:
    if kind in NUMBERS:
        state = _number(scan)
        if state is not None:
            state = _masked(fields, state)
            fields["RBV"] = fields["RVAL"] = state
    else:
        state = _two_states(fields, scan.take(26)) if kind is Type.STRING else _number(scan) if kind is Type.ENUM else None
    if state is None:
        return None
    fields["VAL"] = int(state != 0)
    return DO_NOT_CONVERT


def _has_raw_values(fields: Fields) -> bool:
    return bool(fields["SDEF"]) and any(fields[f"{state}VL"] for state in _STATES)


def _state_name(fields: Fields) -> Iterable[Value]:
    state = fields["VAL"]
    if state >= len(_STATES):
        raise ConversionError(f"state {state} of record {fields.name} has no string")
    return [bytes(fields[f"{_STATES[state]}ST"])]


def _state_of(fields: Fields, text: Value | None) -> int | None:
    names = [bytes(fields[f"{state}ST"]) for state in _STATES]
    return names.index(text) if isinstance(text, bytes) and text in names else None


def _write_mbbi(fields: Fields, kind: Type) -> Iterable[Value]:
    if kind is Type.STRING:
        return _state_name(fields)
    if kind in NUMBERS and _has_raw_values(fields):
        return [_masked(fields, fields["RVAL"])]
    if kind in WHOLE:
        return [int(fields["VAL"])]
    raise _no_type(fields, kind)


def _write_mbbo(fields: Fields, kind: Type) -> Iterable[Value]:
    if kind is Type.STRING:
        return _state_name(fields)
    if kind not in WHOLE:
        raise _no_type(fields, kind)
    value = fields["VAL"]
    if kind is Type.SIGNED and value >= 0x8000:
        value -= 0x10000
    value <<= fields["SHFT"]
    if _has_raw_values(fields):
        value = _signed32(fields["RVAL"]) if kind is Type.SIGNED else fields["RVAL"]
    return [_masked(fields, value)]


def _read_mbbi(fields: Fields, kind: Type, scan: Scan) -> int | None:
    found = _state_of(fields, scan.take(26)) if kind is Type.STRING else _number(scan) if kind in WHOLE else None
    if found is None:
        return None
    if kind in NUMBERS and _has_raw_values(fields):
        fields["RVAL"] = _masked(fields, found)
        return OK
    fields["VAL"] = found
    return DO_NOT_CONVERT


def _read_mbbo(fields: Fields, kind: Type, scan: Scan) -> int | None:
    if kind is Type.STRING:
        text = scan.take(26)
        if text is None:
            return None
        state = _state_of(fields, text)
        fields["VAL"] = _UNKNOWN_STATE if state is None else state
        return DO_NOT_CONVERT
    found = _number(scan) if kind in WHOLE else None
    if found is None:
        return None
    raw = _masked(fields, found)
    fields["RBV"] = fields["RVAL"] = raw
    shifted = (raw & _64) >> fields["SHFT"]
    fields["VAL"] = _state_of_raw(fields, shifted) if fields["SDEF"] else shifted
    return DO_NOT_CONVERT


def _state_of_raw(fields: Fields, raw: int) -> int:
    values = [fields[f"{state}VL"] for state in _STATES]
    return values.index(raw & _32) if raw & _32 in values else _UNKNOWN_STATE


def _write_bits_in(fields: Fields, kind: Type) -> Iterable[Value]:
    if kind not in NUMBERS:
        raise _no_type(fields, kind)
    return [fields["RVAL"] & fields["MASK"] if fields["MASK"] else int(fields["VAL"])]


def _read_bits_in(fields: Fields, kind: Type, scan: Scan) -> int | None:
    if kind not in NUMBERS or (found := _number(scan)) is None:
        return None
    if fields["MASK"]:
        fields["RVAL"] = found & fields["MASK"]
        return OK
    fields["VAL"] = found
    return DO_NOT_CONVERT


def _write_bits_out(fields: Fields, kind: Type) -> Iterable[Value]:
    if kind not in WHOLE:
        raise _no_type(fields, kind)
    raw = fields["RVAL"] if kind is Type.UNSIGNED else _signed32(fields["RVAL"])
    return [_masked(fields, raw)]


def _read_bits_out(fields: Fields, kind: Type, scan: Scan) -> int | None:
    if kind not in NUMBERS or (found := _number(scan)) is None:
        return None
    raw = _masked(fields, found)
    fields["RBV"] = fields["RVAL"] = raw
    fields["VAL"] = (raw & _32) >> fields["SHFT"]
    return DO_NOT_CONVERT


# --- strings ---


def _write_string(fields: Fields, kind: Type) -> Iterable[Value]:
    if kind is not Type.STRING:
        raise _no_type(fields, kind)
    return [bytes(fields["VAL"])]


def _read_string(fields: Fields, kind: Type, scan: Scan) -> int | None:
    text = scan.take(STRING_SIZE) if kind is Type.STRING else None
    if not isinstance(text, bytes):
        return None
    fields["VAL"] = text.split(b"\0", 1)[0][: STRING_SIZE - 1]
    return OK


def _write_long_string(fields: Fields, kind: Type) -> Iterable[Value]:
    if kind is not Type.STRING:
        raise _no_type(fields, kind)
    return [ctypes.string_at(fields.address("VAL").field)]


def _read_long_string(fields: Fields, kind: Type, scan: Scan) -> int | None:
    size = fields["SIZV"]
    text = scan.take(size) if kind is Type.STRING else None
    if not isinstance(text, bytes):
        return None
    text = text[: size - 1] + b"\0"
    ctypes.memmove(fields.address("VAL").field, text, len(text))
    fields["LEN"] = len(text)
    return OK


# --- arrays ---


def _buffer(fields: Fields) -> int:
    return int(fields["BPTR"] or 0)


def _write_array(fields: Fields, kind: Type) -> Iterable[Value]:
    count, element, buffer = fields["NORD"], fields["FTVL"], _buffer(fields)
    if kind is Type.STRING and element in (CHAR, UCHAR):
        return [ctypes.string_at(buffer, count).split(b"\0", 1)[0]]
    if kind is Type.STRING and element == STRING:
        return [ctypes.string_at(buffer + index * STRING_SIZE) for index in range(count)]
    if kind is Type.STRING or element == STRING or (kind is not Type.DOUBLE and element in (FLOAT, DOUBLE)):
        raise _no_type(fields, kind)
    cells = (CELLS[element] * count).from_address(buffer)
    return [float(cell) for cell in cells] if kind is Type.DOUBLE else list(cells)


def _read_array(fields: Fields, kind: Type, scan: Scan) -> int | None:
    element, limit, buffer = fields["FTVL"], fields["NELM"], _buffer(fields)
    if kind is Type.STRING and element in (CHAR, UCHAR):
        return _read_characters(fields, scan, limit, buffer)
    if (kind is Type.STRING) != (element == STRING) or (kind is Type.DOUBLE and element not in (FLOAT, DOUBLE)):
        return None
    count = 0
    while count < limit and (value := scan.take(STRING_SIZE)) is not None:
        _put_element(buffer, element, count, value)
        count += 1
    fields["NORD"] = count
    return OK if count else None


def _put_element(buffer: int, element: int, index: int, value: Value) -> None:
    if isinstance(value, bytes):
        ctypes.memmove(buffer + index * STRING_SIZE, value[: STRING_SIZE - 1] + b"\0", min(len(value), STRING_SIZE - 1) + 1)
    else:
        cell = CELLS[element]
        cell.from_address(buffer + index * ctypes.sizeof(cell)).value = value


def _read_characters(fields: Fields, scan: Scan, limit: int, buffer: int) -> int | None:
    text = scan.take(limit)
    if not isinstance(text, bytes):
        return None
    text = text[: max(limit - 1, 0)]
    ctypes.memmove(buffer, text + b"\0", len(text) + 1)
    fields["NORD"] = min(len(text) + 1, limit)
    return OK


_RAW = ("VAL", "RVAL", "RBV")
TYPES = {
    kind.name: kind
    for kind in (
        RecordType(name="ai", link="INP", write=_write_analogue("VAL"), read=_read_ai, functions=6),
        RecordType(
            name="ao", link="OUT", write=_write_analogue("OVAL"), read=_read_ao, posted=(*_RAW, "OVAL"), keeps_value=True, functions=6
        ),
        RecordType(name="bi", link="INP", write=_write_bi, read=_read_bi),
        RecordType(name="bo", link="OUT", write=_write_bo, read=_read_bo, posted=_RAW, keeps_value=True),
        RecordType(name="mbbi", link="INP", write=_write_mbbi, read=_read_mbbi),
        RecordType(name="mbbo", link="OUT", write=_write_mbbo, read=_read_mbbo, posted=_RAW, keeps_value=True),
        RecordType(name="mbbiDirect", link="INP", write=_write_bits_in, read=_read_bits_in),
        RecordType(name="mbboDirect", link="OUT", write=_write_bits_out, read=_read_bits_out, posted=_RAW, keeps_value=True),
        RecordType(name="longin", link="INP", write=_write_whole(32), read=_read_whole),
        RecordType(name="longout", link="OUT", write=_write_whole(32), read=_read_whole),
        RecordType(name="int64in", link="INP", write=_write_whole(64), read=_read_whole),
        RecordType(name="int64out", link="OUT", write=_write_whole(64), read=_read_whole),
        RecordType(name="stringin", link="INP", write=_write_string, read=_read_string),
        RecordType(name="stringout", link="OUT", write=_write_string, read=_read_string),
        RecordType(name="lsi", link="INP", write=_write_long_string, read=_read_long_string),
        RecordType(name="lso", link="OUT", write=_write_long_string, read=_read_long_string),
        RecordType(name="waveform", link="INP", write=_write_array, read=_read_array),
        RecordType(name="aai", link="INP", write=_write_array, read=_read_array),
        RecordType(name="aao", link="OUT", write=_write_array, read=_read_array),
        RecordType(name="calcout", link="OUT", write=_write_calcout, read=_read_calcout, functions=6),
    )
}
