"""Channel Access receiver by ctypes call-backs: in the place of the native ring where that can't be had.

A call-back takes Python's lock and about 8 µs, so that a burst beyond some 20,000 updates/s, or another thread that computes, costs
updates: the server then replaces them before they are sent.
"""

import ctypes
import os
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from testbeam.transport.ca import libca
from testbeam.transport.ca.records import DTYPES, OFFSETS, RECORD, Kind, Taken
from testbeam.wire.channel_access.values import FieldType

MOST_WAITING = 500_000  # records; values beyond are dropped

_PRIORITY = 0
_HEAD = struct.Struct("<IBB4sH8sI")
_PAYLOAD_BYTES = 8
_NO_TIME = bytes(8)
_NO_ALARM = bytes(4)
# Field types with a precision, whose units stand 4 bytes further in struct dbr_ctrl_*, and those without units.
_WITH_PRECISION = (FieldType.FLOAT, FieldType.DOUBLE)
_WITHOUT_UNITS = (FieldType.STRING, FieldType.ENUM)


class _Pv:
    """One subscription; what libca calls must outlive it."""

    __slots__ = ("chid", "key", "missed", "properties", "stream", "subscription", "units")

    def __init__(self, stream: int, units: bool) -> None:
        self.stream = stream
        self.units = units
        self.chid = ctypes.c_void_p()
        self.subscription = ctypes.c_void_p()
        self.properties = ctypes.c_void_p()
        self.key: tuple[int, bool] | None = None  # field type and whether it is an array, as subscribed
        self.missed = False


class Callbacks:
    """The receiver in Python: call-backs append records to a list, `take` turns it into an array."""

    name = "ctypes call-backs"

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._ca = libca.load()
        self._most = most
        self._heads: list[bytes] = []
        self._blobs: list[bytes] = []
        self._dropped = 0
        self._missed = False
        self._wake_file = -1
        self._pvs: dict[int, _Pv] = {}
        self._handlers: dict[tuple[int, bool], Any] = {}
        self._on_connection = libca.ConnectionHandler(self._connection_changed)
        self._on_properties = libca.EventHandler(self._properties_changed)
        self._on_exception = libca.ExceptionHandler(self._exception)
        self._ca.ca_add_exception_event(self._on_exception, None)
        self.status = libca.NORMAL

    def open(self, stream: int, channel: str, *, units: bool) -> _Pv | None:
        """Subscribe; see `Receiver`."""
        pv = self._pvs[stream] = _Pv(stream, units)
        self.status = self._ca.ca_create_channel(channel.encode(), self._on_connection, stream, _PRIORITY, ctypes.byref(pv.chid))
        if self.status == libca.NORMAL:
            return pv
        del self._pvs[stream]
        return None

    def close(self, handle: _Pv) -> None:
        """End a subscription."""
        self._ca.ca_clear_channel(handle.chid)
        self._pvs.pop(handle.stream, None)

    def take(self) -> Taken:
        """Return all records; see `Receiver`."""
        n, blobs = len(self._heads), len(self._blobs)
        heads, raw = self._heads[:n], self._blobs[:blobs]
        del self._heads[:n]
        records = np.frombuffer(b"".join(heads), RECORD)
        used = int((records["kind"] == Kind.BLOB).sum())  # a blob is appended before its head
        del self._blobs[:used]
        dropped, self._dropped = self._dropped, 0
        return Taken(records=records, blobs=tuple(raw[:used]), dropped=dropped)

    def wake(self, file: int) -> None:
        """Have the pipe `file` written to, once, when the next record comes, or now if one is there."""
        self._wake_file = file
        if self._heads:
            self._wake()

    def any_missed(self) -> bool:
        """Tell, once, whether `has_missed` may be true of any PV."""
        missed, self._missed = self._missed, False
        return missed

    def has_missed(self, handle: _Pv) -> bool:
        """Tell, once, whether the newest value of a PV found no room."""
        missed, handle.missed = handle.missed, False
        return missed

    def free(self) -> None:
        """Do nothing: Python's own memory."""

    # From here on: called by libca's threads, one at a time. An exception would be lost, so none may get out.

    def _wake(self) -> None:
        file, self._wake_file = self._wake_file, -1
        if file >= 0:
            os.write(file, b"\0")

    def _note(self, stream: int, kind: Kind, field_type: int = 0, size: int = 0, payload: bytes = b"") -> None:
        self._heads.append(_HEAD.pack(stream, kind, field_type, _NO_ALARM, 0, _NO_TIME, size) + payload.ljust(_PAYLOAD_BYTES, b"\0"))
        self._wake()

    def _drop(self, stream: int) -> None:
        self._dropped += 1
        pv = self._pvs.get(stream)
        if pv is not None:
            pv.missed = self._missed = True

    def _connection_changed(self, args: libca.ConnectionArgs) -> None:
        stream = self._ca.ca_puser(args.chid)
        pv = self._pvs.get(stream)
        if pv is None:
            return
        if args.op != libca.CONNECTION_UP:
            self._note(stream, Kind.DISCONNECTED)
            return
        field_type, count = self._ca.ca_field_type(args.chid), self._ca.ca_element_count(args.chid)
        if 0 <= field_type < len(FieldType):  # else it is gone again
            self._note(stream, Kind.CONNECTED, field_type, min(count, 2**32 - 1))
            self._subscribe(pv, args.chid, (field_type, count > 1))

    def _subscribe(self, pv: _Pv, chid: int, key: tuple[int, bool]) -> None:
        """Subscribe in the PV's own type; libca renews that by itself, but a PV may come back with another one."""
        if pv.key == key:
            return
        for old in (pv.subscription, pv.properties):
            if old:
                self._ca.ca_clear_subscription(old)
        pv.key = key
        kind, is_array = key
        if pv.units:
            self._create(pv.stream, libca.CTRL_FORM + kind, 1, chid, libca.PROPERTY, self._on_properties, pv.properties)
        handler = self._handlers.get(key)
        if handler is None:
            handler = self._handlers[key] = libca.EventHandler(self._value_handler(FieldType(kind), is_array))
        self._create(pv.stream, libca.TIME_FORM + kind, 0 if is_array else 1, chid, libca.VALUE_OR_ALARM, handler, pv.subscription)
        self._ca.ca_flush_io()

    def _create(self, stream: int, dbr: int, count: int, chid: int, mask: int, handler: Any, subscription: ctypes.c_void_p) -> None:
        status = self._ca.ca_create_subscription(dbr, count, chid, mask, handler, stream, ctypes.byref(subscription))
        if status != libca.NORMAL:
            self._note(stream, Kind.FAILED, size=status)

    def _value_handler(self, kind: FieldType, is_array: bool) -> Callable[[libca.EventArgs], None]:
        offset, size, copy = OFFSETS[kind], np.dtype(DTYPES[kind]).itemsize, ctypes.string_at
        heads, blobs, pack, is_blob = self._heads, self._blobs, _HEAD.pack, is_array or kind is FieldType.STRING

        def take(args: libca.EventArgs) -> None:
            stream = args.usr
            if args.status != libca.NORMAL:
                self._note(stream, Kind.FAILED, size=args.status)
            elif len(heads) >= self._most:
                self._drop(stream)
            elif is_blob:
                raw = copy(args.dbr, offset + size * args.count)
                blobs.append(raw[offset:])
                record = pack(stream, Kind.BLOB, kind, raw[:4], is_array, raw[4:12], len(raw) - offset)
                heads.append(record + _NO_TIME)
            else:
                raw = copy(args.dbr, offset + size)
                record = pack(stream, Kind.VALUE, kind, raw[:4], 0, raw[4:12], size)
                heads.append(record + raw[offset:].ljust(_PAYLOAD_BYTES, b"\0"))
            self._wake()

        return take

    def _properties_changed(self, args: libca.EventArgs) -> None:
        if args.status != libca.NORMAL:
            return
        kind = FieldType(args.type - libca.CTRL_FORM)
        at = args.dbr + (8 if kind in _WITH_PRECISION else 4)
        self._note(args.usr, Kind.UNITS, kind, payload=b"" if kind in _WITHOUT_UNITS else ctypes.string_at(at, _PAYLOAD_BYTES))

    def _exception(self, args: libca.ExceptionArgs) -> None:
        self._note(0, Kind.EXCEPTION, size=args.stat & 0xFFFF_FFFF)
