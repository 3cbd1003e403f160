"""Functions of EPICS base's database library that device support calls, with their types.

Source: docs/reference/contracts/ioc.md; headers of EPICS base 7.0.10.
"""

import ctypes
from ctypes import POINTER, Structure, byref, c_char_p, c_int, c_long, c_short, c_uint, c_void_p
from typing import Any

OK = 0
DO_NOT_CONVERT = 2
ERROR = -1

INIT = ctypes.CFUNCTYPE(c_long, c_int)
RECORD = ctypes.CFUNCTYPE(c_long, c_void_p)
INTERRUPT_INFO = ctypes.CFUNCTYPE(c_long, c_int, c_void_p, POINTER(c_void_p))

VALUE, LOG, ALARM = 1, 2, 4  # what a monitor is posted for
INVALID = 3
ARRAY_FIELD = 2  # SPC_DBADDR: the record tells where the elements of the field are
_PROCESS = 4  # the place of `process` in a record support entry table, in words


class Address(Structure):
    """Where a field of a record is (`dbAddr`)."""

    _fields_ = (
        ("record", c_void_p),
        ("field", c_void_p),
        ("description", c_void_p),
        ("elements", c_long),
        ("field_type", c_short),
        ("field_size", c_short),
        ("special", c_short),
        ("request_type", c_short),
    )


class SupportTable(Structure):
    """A device support entry table of one I/O function (`dset`)."""

    _fields_ = (
        ("number", c_long),
        ("report", INIT),
        ("init", INIT),
        ("init_record", RECORD),
        ("interrupt_info", INTERRUPT_INFO),
        ("transfer", RECORD),
        ("linear_conversion", c_void_p),
    )


class Link(Structure):
    """An INP or OUT link that names an instrument."""

    _fields_ = (
        ("record", c_void_p),
        ("type", c_short),
        ("flags", ctypes.c_ushort),
        ("support", c_void_p),
        ("raw", c_char_p),
        ("text", c_char_p),
    )


INSTRUMENT_LINK = 12


class Core:
    """The database library of EPICS base."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library: Any = library  # with the types below: a library's functions are not known before it is loaded
        declared: dict[str, tuple[object, ...]] = {
            "dbNameToAddr": (c_long, c_char_p, POINTER(Address)),
            "dbScanLock": (None, c_void_p),
            "dbScanUnlock": (None, c_void_p),
            "dbProcess": (c_long, c_void_p),
            "dbGet": (c_long, POINTER(Address), c_short, c_void_p, c_void_p, POINTER(c_long), c_void_p),
            "dbPut": (c_long, POINTER(Address), c_short, c_void_p, c_long),
            "dbPutField": (c_long, POINTER(Address), c_short, c_void_p, c_long),
            "db_post_events": (c_int, c_void_p, c_void_p, c_uint),
            "recGblSetSevr": (c_int, c_void_p, c_int, c_int),
            "recGblResetAlarms": (ctypes.c_ushort, c_void_p),
            "recGblGetTimeStamp": (None, c_void_p),
            "registryDeviceSupportAdd": (c_int, c_char_p, POINTER(SupportTable)),
            "scanIoInit": (None, POINTER(c_void_p)),
        }
        for name, (result, *arguments) in declared.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments

    def address(self, name: str) -> Address | None:
        """Return where a field is, `RECORD.FIELD`, or None."""
        found = Address()
        status = self._library.dbNameToAddr(name.encode("latin-1"), byref(found))
        return found if status == 0 else None

    def process(self, record: int, support_table: int) -> None:
        """Let a record finish its processing, under its lock."""
        function = RECORD(c_void_p.from_address(support_table + 8 * _PROCESS).value or 0)
        self._library.dbScanLock(record)
        try:
            function(record)
        finally:
            self._library.dbScanUnlock(record)

    def process_passive(self, record: int) -> None:
        """Let another record process, under its lock."""
        self._library.dbScanLock(record)
        try:
            self._library.dbProcess(record)
        finally:
            self._library.dbScanUnlock(record)

    def get(self, address: Address, request: int, buffer: ctypes.Array[ctypes.c_char], count: int) -> int:
        """Read a field as another type into a buffer; return the number of elements, or -1."""
        number = c_long(count)
        status = self._library.dbGet(byref(address), request, buffer, None, byref(number), None)
        return number.value if status == 0 else -1

    def put(self, address: Address, request: int, buffer: ctypes.Array[ctypes.c_char], count: int, *, process: bool) -> bool:
        """Write a field from a buffer; with `process`, as a client would, else within its own record's processing."""
        function = self._library.dbPutField if process else self._library.dbPut
        return bool(function(byref(address), request, buffer, count) == 0)

    def alarm(self, record: int, status: int, severity: int = INVALID) -> None:
        """Raise the alarm of a record that is being processed."""
        self._library.recGblSetSevr(record, status, severity)

    def reset_alarms(self, record: int) -> int:
        """Make the record's new alarm its alarm; return what a monitor is to be posted for."""
        return int(self._library.recGblResetAlarms(record))

    def post(self, record: int, field: int, reasons: int) -> None:
        """Post a monitor of a field."""
        self._library.db_post_events(record, field, reasons)

    def stamp(self, record: int) -> None:
        """Set the record's time as its settings say."""
        self._library.recGblGetTimeStamp(record)

    @property
    def running(self) -> bool:
        """Tell whether the IOC is past its initialisation, so that records may be processed."""
        return bool(c_int.in_dll(self._library, "interruptAccept").value)

    def new_interrupt_source(self) -> c_void_p:
        """Return what the scan tasks need for a record that is scanned by I/O Intr."""
        source = c_void_p()
        self._library.scanIoInit(byref(source))
        return source

    def register_support(self, name: bytes, table: SupportTable) -> bool:
        """Make an entry table known under a name; base keeps pointers to both."""
        return bool(self._library.registryDeviceSupportAdd(name, byref(table)))
