"""Environment variables as C code sees them: `epicsEnvSet` sets them there, where Python's `os.environ` does not look again."""

import ctypes
import os

_libc = ctypes.CDLL(None)
_libc.getenv.argtypes = [ctypes.c_char_p]
_libc.getenv.restype = ctypes.c_char_p


def variable(name: str, default: str = "") -> str:
    """Return a variable."""
    value = _libc.getenv(name.encode())
    return default if value is None else value.decode(errors="surrogateescape")


def set_variable(name: str, value: str) -> None:
    """Set a variable for C code and for Python."""
    os.environ[name] = value


def set_default(name: str, value: str) -> None:
    """Set a variable unless it has a value."""
    if not variable(name):
        set_variable(name, value)
