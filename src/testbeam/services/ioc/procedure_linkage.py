"""Procedure linkage table of a shared library: where it looks up the functions that it imports.

Source: System V ABI for x86-64, "Procedure Linkage Table"; link.h of glibc.
"""

import ctypes
import platform

_JUMP_SLOT = 7
_STRTAB, _SYMTAB, _PLTRELSZ, _JMPREL, _BIND_NOW, _FLAGS = 5, 6, 2, 23, 24, 30
_FLAG_NOW = 8


class _LinkMap(ctypes.Structure):
    _fields_ = (("base", ctypes.c_size_t), ("name", ctypes.c_char_p), ("dynamic", ctypes.c_void_p))


class _Dynamic(ctypes.Structure):
    _fields_ = (("tag", ctypes.c_int64), ("value", ctypes.c_uint64))


class _Relocation(ctypes.Structure):
    _fields_ = (("offset", ctypes.c_uint64), ("info", ctypes.c_uint64), ("addend", ctypes.c_int64))


class _Symbol(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_uint32),
        ("info", ctypes.c_uint8),
        ("other", ctypes.c_uint8),
        ("section", ctypes.c_uint16),
        ("value", ctypes.c_uint64),
        ("size", ctypes.c_uint64),
    )


def slot(library: ctypes.CDLL, function: bytes) -> ctypes.c_size_t | None:
    """Return the place where the library looks up the address of an imported function, or None where it can't be written or found."""
    if platform.machine() != "x86_64":
        return None
    link_map = ctypes.cast(library._handle, ctypes.POINTER(_LinkMap)).contents  # noqa: SLF001 — dlopen's handle has no other name
    dynamic = _dynamic(link_map)
    if _BIND_NOW in dynamic or dynamic.get(_FLAGS, 0) & _FLAG_NOW or not dynamic.keys() >= {_STRTAB, _SYMTAB, _PLTRELSZ, _JMPREL}:
        return None  # bound at load time: the table is read-only by now
    first = dynamic[_JMPREL]
    for at in range(first, first + dynamic[_PLTRELSZ], ctypes.sizeof(_Relocation)):
        relocation = _Relocation.from_address(at)
        symbol = _Symbol.from_address(dynamic[_SYMTAB] + (relocation.info >> 32) * ctypes.sizeof(_Symbol))
        if relocation.info & 0xFFFFFFFF == _JUMP_SLOT and ctypes.string_at(dynamic[_STRTAB] + symbol.name) == function:
            return ctypes.c_size_t.from_address(link_map.base + relocation.offset)
    return None


def _dynamic(link_map: _LinkMap) -> dict[int, int]:
    """Return the library's dynamic section by tag; glibc has made its pointers absolute."""
    entries, at = dict[int, int](), int(link_map.dynamic)
    while (entry := _Dynamic.from_address(at)).tag != 0:
        entries[entry.tag] = entry.value
        at += ctypes.sizeof(_Dynamic)
    return entries
