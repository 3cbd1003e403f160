"""Fields of a record in memory, and fields of any record for formats that name one.

Source: docs/reference/contracts/ioc.md, "Formats"; dbFldTypes.h of EPICS base.
"""

import ctypes
from collections.abc import Iterable
from typing import Any

from testbeam.errors import ConversionError
from testbeam.model.time import EPICS_EPOCH_S
from testbeam.services.ioc.stream.core_library import Address, Core
from testbeam.wire.streamdevice.formats import Format, Type, Value
from testbeam.wire.streamdevice.matching import Scan

STRING, CHAR, UCHAR, SHORT, USHORT, LONG, ULONG, INT64, UINT64, FLOAT, DOUBLE, ENUM, MENU, DEVICE = range(14)
STRING_SIZE = 40
_DEVICE_TIME = -2  # TSE: the time comes from device support

CELLS: dict[int, Any] = {
    CHAR: ctypes.c_int8,
    UCHAR: ctypes.c_uint8,
    SHORT: ctypes.c_int16,
    USHORT: ctypes.c_uint16,
    LONG: ctypes.c_int32,
    ULONG: ctypes.c_uint32,
    INT64: ctypes.c_int64,
    UINT64: ctypes.c_uint64,
    FLOAT: ctypes.c_float,
    DOUBLE: ctypes.c_double,
    ENUM: ctypes.c_uint16,
    MENU: ctypes.c_uint16,
    DEVICE: ctypes.c_uint16,
}
_REQUESTS = {Type.UNSIGNED: UINT64, Type.SIGNED: INT64, Type.ENUM: ENUM, Type.DOUBLE: DOUBLE, Type.STRING: STRING}

_layouts: dict[tuple[int, str], tuple[int, int, int]] = {}  # (record type, field) → offset, type, size


class Fields:
    """The fields of one record by their names; numbers as they are, strings as bytes."""

    def __init__(self, core: Core, record: int) -> None:
        self.record = record
        self.name = ctypes.string_at(record).decode("latin-1")
        self._core = core
        self._type = self._pointer("RDES")
        self._cells: dict[str, Any] = {}

    def _pointer(self, field: str) -> int:
        return ctypes.c_void_p.from_address(self.address(field).field).value or 0

    def address(self, field: str) -> Address:
        """Return where a field is.

        Raises:
            ConversionError: the record has no such field.
        """
        found = self._core.address(f"{self.name}.{field}")
        if found is None:
            raise ConversionError(f"record {self.name} has no field {field}")
        return found

    def cell(self, field: str) -> Any:
        """Return a field as an object of ctypes whose `value` is the field's."""
        if field not in self._cells:
            offset, kind, size = self._layout(field)
            cell = ctypes.c_char * size if kind == STRING else CELLS.get(kind, ctypes.c_void_p)
            self._cells[field] = cell.from_address(self.record + offset)
        return self._cells[field]

    def _layout(self, field: str) -> tuple[int, int, int]:
        key = (self._type, field)
        if key not in _layouts:
            address = self.address(field)
            _layouts[key] = (address.field - self.record, address.field_type, address.field_size)
        return _layouts[key]

    def __getitem__(self, field: str) -> Any:
        return self.cell(field).value

    def __setitem__(self, field: str, value: Any) -> None:
        self.cell(field).value = value


def find(core: Core, record: str, name: str) -> Address:
    """Return the address of what a format names: a field of this record, a record, or a field of one.

    Raises:
        ConversionError: there is none.
    """
    names = [name] if "." in name else [f"{record}.{name}", f"{name}.VAL"]
    for full_name in names:
        found = core.address(full_name)
        if found is not None:
            return found
    raise ConversionError(f"neither record {record} has a field {name!r}, nor is there a record {name!r}")


def is_time(address: Address) -> bool:
    """Tell whether this is a record's time, which is read and set in a way of its own."""
    name = ctypes.c_char_p.from_address(address.description + 8).value  # dbFldDes: prompt, name, …
    return name == b"TIME"


def get_time(core: Core, address: Address, own: int) -> float:
    """Return a record's time as seconds since 1970; that of one's own record is set before."""
    if address.record == own:
        core.stamp(own)
    seconds, nanoseconds = (ctypes.c_uint32 * 2).from_address(address.field)
    return seconds + EPICS_EPOCH_S + nanoseconds * 1e-9


def set_time(core: Core, address: Address, value: float) -> None:
    """Set a record's time, to the microsecond."""
    since = value - EPICS_EPOCH_S
    cells = (ctypes.c_uint32 * 2).from_address(address.field)
    cells[0], cells[1] = int(since), round((since - int(since)) * 1e6) * 1000
    Fields(core, address.record)["TSE"] = _DEVICE_TIME


def field_values(core: Core, fmt: Format, own: int) -> Iterable[Value]:
    """Return what a format writes of the field that it names.

    Raises:
        ConversionError: the field has no value of this type.
    """
    address = fmt.address
    assert isinstance(address, Address)
    if is_time(address):
        if fmt.converter.type is not Type.DOUBLE:
            raise ConversionError("the time of a record is a number of type DOUBLE, as %T has it")
        return [get_time(core, address, own)]
    if fmt.converter.type is Type.STRING and address.field_type in (CHAR, UCHAR):
        return [_text(core, address)]
    return _numbers(core, fmt, address)


def _text(core: Core, address: Address) -> bytes:
    buffer = ctypes.create_string_buffer(address.elements + 1)
    count = core.get(address, CHAR, buffer, address.elements)
    if count < 0:
        raise ConversionError("the field can't be read as characters")
    return buffer.raw[:count].split(b"\0", 1)[0]


def _numbers(core: Core, fmt: Format, address: Address) -> list[Value]:
    request = _REQUESTS[fmt.converter.type]
    cell = ctypes.c_char * STRING_SIZE if request == STRING else CELLS[request]
    buffer = ctypes.create_string_buffer(address.elements * ctypes.sizeof(cell))
    count = core.get(address, request, buffer, address.elements)
    if count < 0:
        raise ConversionError(f"the field can't be read as {fmt.converter.type.value}")
    cells: Any = (cell * count).from_buffer(buffer)
    return [one.value for one in cells] if request == STRING else list(cells)


def accept_field(core: Core, fmt: Format, scan: Scan, *, own: int, initialising: bool) -> bool:
    """Store what a format finds in the field that it names; another record is processed, unless records are just initialised."""
    address = fmt.address
    assert isinstance(address, Address)
    found = _scanned(fmt, scan, address)
    if not found:
        if address.record != own and not initialising:
            core.alarm(address.record, CALC_ALARM)
            core.process_passive(address.record)
        return False
    if is_time(address):
        return _accept_time(core, fmt, address, found)
    stored = _store(core, fmt, address, found, process=address.record != own and not initialising)
    if stored and initialising and address.record != own:
        other = Fields(core, address.record)
        other["UDF"] = other["SEVR"] = other["STAT"] = 0
    return stored


CALC_ALARM = 12


def _scanned(fmt: Format, scan: Scan, address: Address) -> list[Value]:
    is_text = fmt.converter.type is Type.STRING and address.field_type in (CHAR, UCHAR)
    if is_text:
        text = scan.take(address.elements)
        return [] if text is None else [text]
    found = list[Value]()
    while len(found) < max(address.elements, 1) and (value := scan.take(STRING_SIZE)) is not None:
        found.append(value)
    return found


def _accept_time(core: Core, fmt: Format, address: Address, found: list[Value]) -> bool:
    if fmt.converter.type is not Type.DOUBLE:
        return False
    set_time(core, address, float(found[0]))
    return True


def _store(core: Core, fmt: Format, address: Address, found: list[Value], *, process: bool) -> bool:
    if fmt.converter.type is Type.STRING and address.field_type in (CHAR, UCHAR):
        text = found[0] if isinstance(found[0], bytes) else b""
        text = text[: max(address.elements - 1, 0)]
        return core.put(address, CHAR, ctypes.create_string_buffer(text), len(text) + 1, process=process)
    request = _REQUESTS[fmt.converter.type]
    if request == STRING:
        raw = b"".join(bytes(value)[: STRING_SIZE - 1].ljust(STRING_SIZE, b"\0") for value in found if isinstance(value, bytes))
    else:
        cells = (CELLS[request] * len(found))(*found)
        raw = bytes(cells)
    return core.put(address, request, ctypes.create_string_buffer(raw, len(raw)), len(found), process=process)
