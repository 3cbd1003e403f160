"""Commands and variables of the IOC shell that are functions of Python.

Source: iocsh.h of EPICS base 7.0.10.
"""

import ctypes
import logging
import re
from collections.abc import Callable, Sequence
from ctypes import POINTER, Structure, Union, byref, c_char_p, c_double, c_int, c_void_p, pointer
from typing import Any

from testbeam.errors import TestbeamError

log = logging.getLogger("ioc")

Command = Callable[[Sequence[str]], None]

_ARGV = 4
_INT = 0


class _Argument(Structure):
    _fields_ = (("name", c_char_p), ("type", c_int))


class _Words(Structure):
    _fields_ = (("count", c_int), ("words", POINTER(c_char_p)))


class _Value(Union):
    _fields_ = (("integer", c_int), ("real", c_double), ("text", c_char_p), ("pointer", c_void_p), ("words", _Words))


class _Definition(Structure):
    _fields_ = (("name", c_char_p), ("count", c_int), ("arguments", POINTER(POINTER(_Argument))), ("usage", c_char_p))


class _Variable(Structure):
    _fields_ = (("name", c_char_p), ("type", c_int), ("value", c_void_p))


_CALL = ctypes.CFUNCTYPE(None, POINTER(_Value))
_kept: list[Any] = []  # definitions and callbacks that C code has bare pointers to


class Shell:
    """The IOC shell: runs lines, and can be given commands."""

    def __init__(self, com: ctypes.CDLL) -> None:
        self._com = com
        com.iocshCmd.argtypes = [c_char_p]
        com.iocshRegister.argtypes = [POINTER(_Definition), _CALL]
        com.iocshRegister.restype = None
        com.iocshRegisterVariable.argtypes = [POINTER(_Variable)]
        com.iocshRegisterVariable.restype = None
        com.iocshFindCommand.argtypes = [c_char_p]
        com.iocshFindCommand.restype = c_void_p
        com.iocshSetError.argtypes = [c_int]
        com.macEnvExpand.argtypes = [c_char_p]
        com.macEnvExpand.restype = c_void_p
        com.epicsStdoutPuts.argtypes = [c_char_p]

    def run(self, line: str) -> bool:
        """Run one line; tell whether the shell had nothing against it."""
        return bool(self._com.iocshCmd(line.encode(errors="surrogateescape")) == 0)

    def knows(self, name: str) -> bool:
        """Tell whether there is a command of this name."""
        return bool(self._com.iocshFindCommand(name.encode(errors="surrogateescape")))

    def expand(self, line: str) -> str | None:
        """Return a line with macros of the environment put in, or None where one has no value."""
        found = self._com.macEnvExpand(line.encode(errors="surrogateescape"))
        if not found:
            return None
        try:
            return ctypes.string_at(found).decode(errors="surrogateescape")
        finally:
            ctypes.CDLL(None).free(c_void_p(found))

    def say(self, text: str) -> None:
        """Print a line where the running command prints."""
        self._com.epicsStdoutPuts(text.encode(errors="surrogateescape"))

    def add(self, name: str, command: Command, usage: str = "") -> None:
        """Make a command; one of base with this name is replaced. An error of testbeam's in it is printed as the shell would."""

        def call(values: Any) -> None:
            words = values[0].words
            try:
                command([words.words[index].decode(errors="surrogateescape") for index in range(1, words.count)])
            except TestbeamError as error:
                log.error("%s: %s", name, error)  # noqa: TRY400 — written for the user
                self._com.iocshSetError(-1)
            except Exception:  # an exception can't pass through base's C
                log.exception("%s: error in this command", name)
                self._com.iocshSetError(-1)

        argument = _Argument(b"arguments", _ARGV)
        arguments = (POINTER(_Argument) * 1)(pointer(argument))
        definition = _Definition(name.encode(), 1, arguments, (usage or f"{name} …").encode())
        function = _CALL(call)
        _kept.extend((argument, arguments, definition, function))
        self._com.iocshRegister(byref(definition), function)

    def add_variable(self, name: str, value: c_int) -> None:
        """Make a variable that `var NAME VALUE` sets."""
        definitions = (_Variable * 2)(_Variable(name.encode(), _INT, ctypes.addressof(value)))  # ends with an empty one
        _kept.extend((definitions, value))
        self._com.iocshRegisterVariable(definitions)


_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{1,2})|([0-7]{1,3})|(.))", re.DOTALL)
_SINGLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "e": 27}


def raw(text: str) -> bytes:
    r"""Return the bytes of a text with C's escapes, such as `\r\n`."""

    def byte(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        return chr(int(match[2], 8) & 0xFF) if match[2] else chr(_SINGLE.get(match[3], ord(match[3]) & 0xFF))

    return _ESCAPE.sub(byte, text).encode("latin-1", "replace")


def number(text: str, default: int = 0) -> int:
    """Return a whole number in C's notation, or the default where there is none."""
    try:
        return int(text, 0)
    except ValueError:
        return default
