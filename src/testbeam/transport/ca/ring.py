"""Receive ring in native code (`ring.c`): the Channel Access receiver wherever the package brings the library.

A record costs 0.1 to 0.3 µs and no lock of Python's, so that nothing is lost while another thread computes.
"""

import ctypes
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from testbeam.transport.ca import libca
from testbeam.transport.ca.records import RECORD, Kind, Taken

LIBRARY = Path(__file__).with_name("_ring.so")
VERSION = 1  # as ring_version() of ring.c: raise both with any change of its functions or records
WITHOUT_VARIABLE = "TESTBEAM_WITHOUT_NATIVE_RING"

_CAPACITY = 1 << 20  # records of 32 bytes: five seconds at 200,000 updates/s
_BLOB_CAPACITY = 1 << 27  # bytes
_RESERVE = 1 << 17  # records that values leave to connections, so that none of those is lost
_PRIORITY = 0

_POINTER, _U64, _U32, _INT = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_int
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "ring_new": (_POINTER, (_U64, _U64, _U64)),
    "ring_free": (None, (_POINTER,)),
    "ring_records": (_POINTER, (_POINTER,)),
    "ring_blobs": (_POINTER, (_POINTER,)),
    "ring_bounds": (None, (_POINTER, _POINTER, _POINTER)),
    "ring_release": (None, (_POINTER, _U64, _U64)),
    "ring_wake": (None, (_POINTER, _INT)),
    "ring_dropped": (_U64, (_POINTER,)),
    "ring_missed": (_U64, (_POINTER,)),
    "ring_listen": (_INT, (_POINTER,)),
    "ring_open": (_POINTER, (_POINTER, ctypes.c_char_p, _U32, _INT, ctypes.c_uint, _POINTER)),
    "ring_close": (None, (_POINTER,)),
    "ring_has_missed": (_INT, (_POINTER,)),
}
_ANEW = "install testbeam anew, which builds it: pip install -e . (make install in a checkout)"


def expected_here() -> bool:
    """Tell whether the package should have brought the library: on Linux on x86-64 it is built with it."""
    return sys.platform == "linux" and platform.machine() == "x86_64"


def is_available() -> bool:
    """Tell whether the library is there."""
    return LIBRARY.exists()


def outdated() -> str:
    """Return why the library that is there can't be used, and the way out; empty where it can, or where there is none.

    An editable checkout keeps the library of its last installation, whatever becomes of `ring.c`.
    """
    if not is_available():
        return ""
    libca.load()
    try:
        library = ctypes.CDLL(str(LIBRARY))
    except OSError as error:
        return f"{LIBRARY} can't be loaded ({error}); {_ANEW}"
    version = library.ring_version() if hasattr(library, "ring_version") else 1  # the first had no number
    if version == VERSION and all(hasattr(library, name) for name in _FUNCTIONS):
        return ""
    return f"{LIBRARY} was built from another ring.c (version {version}, not {VERSION}, or without some function); {_ANEW}"


@cache
def _load() -> ctypes.CDLL:
    libca.load()  # first: its symbols are those that the ring calls
    library = ctypes.CDLL(str(LIBRARY))
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Ring:
    """The receiver in native code; sizes are powers of two, `capacity` and `reserve` in records, `blob_capacity` in bytes.

    Raises:
        MemoryError: there is no room for the ring.
        OSError: the library can't be loaded.
    """

    name = "native ring"

    def __init__(self, capacity: int = _CAPACITY, blob_capacity: int = _BLOB_CAPACITY, reserve: int = _RESERVE) -> None:
        self._library = _load()
        self._ring = self._library.ring_new(capacity, blob_capacity, reserve)
        if not self._ring:
            raise MemoryError(f"no room for a ring of {capacity} records and {blob_capacity} bytes")
        self._mask, self._blob_mask = capacity - 1, blob_capacity - 1
        size = capacity * RECORD.itemsize
        memory: Any = (ctypes.c_ubyte * size).from_address(self._library.ring_records(self._ring))
        self._records = np.frombuffer(memory, RECORD)
        self._blobs = self._library.ring_blobs(self._ring)
        self._tail, self._head = _U64(), _U64()
        self._library.ring_listen(self._ring)
        self.status = libca.NORMAL

    def open(self, stream: int, channel: str, *, units: bool) -> int | None:
        """Subscribe; see `Receiver`. Return the PV's address, or None with the status in `status`."""
        status = _INT()
        handle = self._library.ring_open(self._ring, channel.encode(), stream, units, _PRIORITY, ctypes.byref(status))
        self.status = status.value
        return handle  # type: ignore[no-any-return]  # ctypes

    def close(self, handle: int) -> None:
        """End a subscription."""
        self._library.ring_close(handle)

    def take(self) -> Taken:
        """Return all records; see `Receiver`."""
        library, ring = self._library, self._ring
        library.ring_bounds(ring, ctypes.byref(self._tail), ctypes.byref(self._head))
        tail, head = self._tail.value, self._head.value
        begin, end = tail & self._mask, head & self._mask
        if head == tail:
            records = self._records[:0]
        elif begin < end:
            records = self._records[begin:end].copy()
        else:
            records = np.concatenate((self._records[begin:], self._records[:end]))
        blobs, blob_tail = self._take_blobs(records)
        if head != tail:
            library.ring_release(ring, head, blob_tail)
        return Taken(records=records, blobs=blobs, dropped=library.ring_dropped(ring))

    def wake(self, file: int) -> None:
        """Have the pipe `file` written to, once, when the next record comes, or now if one is there."""
        self._library.ring_wake(self._ring, file)

    def has_missed(self, handle: int) -> bool:
        """Tell whether the newest value of a PV found no room."""
        return bool(self._library.ring_has_missed(handle))

    def any_missed(self) -> bool:
        """Tell, once, whether `has_missed` may be true of any PV."""
        return bool(self._library.ring_missed(self._ring))

    def free(self) -> None:
        """Give the memory back, after libca's context has ended."""
        self._records = self._records[:0]
        self._library.ring_free(self._ring)

    def _take_blobs(self, records: Any) -> tuple[tuple[bytes, ...], int]:
        which = records[records["kind"] == Kind.BLOB]
        if not which.size:
            return (), 0
        places = which["payload"].tolist()
        sizes = which["size"].tolist()
        raw = tuple(ctypes.string_at(self._blobs + (at & self._blob_mask), size) for at, size in zip(places, sizes, strict=True))
        return raw, places[-1] + sizes[-1]
