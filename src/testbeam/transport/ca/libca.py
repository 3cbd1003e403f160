"""EPICS base's own Channel Access client, called by ctypes, on the library in the epicscorelibs wheel.

Only what watching needs. epicscorelibs' own binding and aioca, which is built on it, import setuptools and asyncio (0.3 s), keep a channel
for ever once it was asked for, and can't search anew for one PV; see docs/decisions.
Source: cadef.h, caerr.h and db_access.h of EPICS base 7.
"""

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any

from testbeam.transport.epics_libraries import folder

NORMAL = 1
CONNECTION_UP = 6
TIME_FORM = 14  # DBR_TIME_STRING: a type in its form with alarm and time is this much further
CTRL_FORM = 28  # DBR_CTRL_STRING: likewise, in its form with units and limits
VALUE_OR_ALARM = 1 | 4  # DBE_VALUE | DBE_ALARM
PROPERTY = 8  # DBE_PROPERTY


class EventArgs(ctypes.Structure):
    """`struct event_handler_args`: one update; `dbr` is null unless `status` is NORMAL."""

    _fields_ = (
        ("usr", ctypes.c_void_p),
        ("chid", ctypes.c_void_p),
        ("type", ctypes.c_long),
        ("count", ctypes.c_long),
        ("dbr", ctypes.c_void_p),
        ("status", ctypes.c_int),
    )


class ConnectionArgs(ctypes.Structure):
    """`struct connection_handler_args`."""

    _fields_ = (("chid", ctypes.c_void_p), ("op", ctypes.c_long))


class ExceptionArgs(ctypes.Structure):
    """`struct exception_handler_args`: an error that belongs to no other call-back."""

    _fields_ = (
        ("usr", ctypes.c_void_p),
        ("chid", ctypes.c_void_p),
        ("type", ctypes.c_long),
        ("count", ctypes.c_long),
        ("addr", ctypes.c_void_p),
        ("stat", ctypes.c_long),
        ("op", ctypes.c_long),
        ("context", ctypes.c_char_p),
        ("file", ctypes.c_char_p),
        ("line", ctypes.c_uint),
    )


EventHandler = ctypes.CFUNCTYPE(None, EventArgs)
ConnectionHandler = ctypes.CFUNCTYPE(None, ConnectionArgs)
ExceptionHandler = ctypes.CFUNCTYPE(None, ExceptionArgs)

_LONG, _POINTER, _TEXT = ctypes.c_long, ctypes.c_void_p, ctypes.c_char_p
# name → (result, arguments); a pointer to a struct that ctypes need not look into is a void pointer.
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "ca_context_create": (ctypes.c_int, (ctypes.c_int,)),
    "ca_context_destroy": (None, ()),
    "ca_current_context": (_POINTER, ()),
    "ca_attach_context": (ctypes.c_int, (_POINTER,)),
    "ca_detach_context": (None, ()),
    "ca_add_exception_event": (ctypes.c_int, (ExceptionHandler, _POINTER)),
    "ca_create_channel": (ctypes.c_int, (_TEXT, ConnectionHandler, _POINTER, ctypes.c_uint, _POINTER)),
    "ca_clear_channel": (ctypes.c_int, (_POINTER,)),
    "ca_puser": (_POINTER, (_POINTER,)),
    "ca_field_type": (ctypes.c_short, (_POINTER,)),
    "ca_element_count": (ctypes.c_ulong, (_POINTER,)),
    "ca_create_subscription": (ctypes.c_int, (_LONG, ctypes.c_ulong, _POINTER, _LONG, EventHandler, _POINTER, _POINTER)),
    "ca_clear_subscription": (ctypes.c_int, (_POINTER,)),
    "ca_flush_io": (ctypes.c_int, ()),
    "ca_message": (_TEXT, (_LONG,)),
}


@dataclass(frozen=True, slots=True)
class Libca:
    """The library; its functions are attributes by their names in C."""

    library: ctypes.CDLL

    def __getattr__(self, name: str) -> Any:
        return getattr(self.library, name)

    def text(self, status: int) -> str:
        """Return libca's text for a status."""
        return bytes(self.library.ca_message(status) or b"").decode(errors="replace")


@cache
def load() -> Libca:
    """Return libca, ready to be called.

    Raises:
        StackError: the epicscorelibs package is not installed.
    """
    libraries = folder("epicscorelibs") / "lib"
    ctypes.CDLL(str(libraries / "libCom.so"), ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL(str(libraries / "libca.so"), ctypes.RTLD_GLOBAL)
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return Libca(library)
