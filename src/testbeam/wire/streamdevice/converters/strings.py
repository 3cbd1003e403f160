"""Strings and characters: %s, %c, and %[…] for a set of characters.

Source: docs/reference/contracts/ioc.md, "Formats".
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from testbeam.errors import ConversionError
from testbeam.wire.streamdevice.coding import LITERAL
from testbeam.wire.streamdevice.formats import Converter, Spec, Type, UnitReader, Value, register

_SPACES = re.compile(rb"[ \t\n\v\f\r]*")
_WORD = re.compile(rb"[^\x00 \t\n\v\f\r]*")
_TEXT = re.compile(rb"[^\x00]*")


def _padded(spec: Spec, text: bytes) -> bytes:
    fill = b"\0" if spec.zero else b" "
    return text.ljust(spec.width, fill) if spec.left else text.rjust(spec.width, fill)


@dataclass(frozen=True, slots=True)
class Text:
    """%s: a string up to white space, or up to its end with the flag #."""

    spec: Spec
    type: Type = Type.STRING

    def write(self, value: Value) -> bytes:
        """Return the string, cut to the precision, filled to the width."""
        text = _as_bytes(value)
        return _padded(self.spec, text if self.spec.precision is None else text[: self.spec.precision])

    def scan(self, data: bytes, at: int) -> tuple[Value, int] | None:
        """Return the string at this place; the empty string is one, too."""
        spaces = _match(_SPACES, data, at)
        limit = self.spec.width or len(data)
        if self.spec.space:
            spaces = spaces[:limit]
        begin = at + len(spaces)
        rest = max(limit - (len(spaces) if self.spec.space else 0), 0)
        text = _match(_TEXT if self.spec.alternate else _WORD, data, begin)[:rest]
        return (spaces if self.spec.space else b"") + text, len(spaces) + len(text)


@dataclass(frozen=True, slots=True)
class Characters:
    """%c: in input a number of any characters but NUL, in output one character, given as a number."""

    spec: Spec
    type: Type

    def write(self, value: Value) -> bytes:
        """Return the character with this code."""
        return _padded(self.spec, bytes([int(value) & 0xFF]))

    def scan(self, data: bytes, at: int) -> tuple[Value, int] | None:
        """Return as many characters as the width says, or as there are."""
        text = _match(_TEXT, data, at)[: self.spec.width or 1]
        return text, len(text)


@dataclass(frozen=True, slots=True)
class CharacterSet:
    """%[…]: characters out of a set; for input only."""

    spec: Spec
    members: frozenset[int]
    type: Type = Type.STRING

    def write(self, value: Value) -> bytes:  # noqa: ARG002
        """Refuse: there is nothing to write.

        Raises:
            ConversionError: always.
        """
        raise ConversionError("%[…] is for input only")

    def scan(self, data: bytes, at: int) -> tuple[Value, int] | None:
        """Return the characters of the set at this place; there may be none."""
        end, limit = at, min(len(data), at + self.spec.width if self.spec.width else len(data))
        while end < limit and data[end] in self.members:
            end += 1
        return data[at:end], end - at


def _match(pattern: re.Pattern[bytes], data: bytes, at: int) -> bytes:
    match = pattern.match(data, at)
    return match[0] if match else b""


def _as_bytes(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise ConversionError(f"{value!r} is no string")
    return value.split(b"\0", 1)[0]


def _checked(spec: Spec, refused: Iterable[tuple[str, bool]]) -> None:
    for flag, given in refused:
        if given:
            raise ConversionError(f"the flag {flag!r} has no meaning here")
    if spec.reading and spec.precision is not None:
        raise ConversionError("a precision is for output only")


def _string(spec: Spec, _: UnitReader) -> Converter:
    _checked(spec, [("+", spec.sign)])
    return Text(spec)


def _characters(spec: Spec, _: UnitReader) -> Converter:
    _checked(spec, [("+", spec.sign), (" ", spec.space), ("0", spec.zero), ("#", spec.alternate)])
    return Characters(spec, Type.STRING if spec.reading else Type.UNSIGNED)


def _set(spec: Spec, units: UnitReader) -> Converter:
    if not spec.reading:
        raise ConversionError("%[…] is for input only")
    _checked(spec, [("-", spec.left), ("+", spec.sign), (" ", spec.space), ("0", spec.zero), ("#", spec.alternate)])
    inverted = units.plain() == "^"
    if inverted:
        units.take()
    first = {units.byte()} if units.plain() == "]" else set[int]()
    members = _members(units.until("]")) | first
    everything = frozenset(range(1, 256))  # strings end at NUL
    return CharacterSet(spec, everything - members if inverted else members & everything)


def _members(units: list[int]) -> frozenset[int]:
    members, at = set[int](), 0
    while at < len(units):
        low = units[at] & 0xFF
        if at + 2 < len(units) and units[at + 1] == ord("-"):
            high = units[at + 2] & 0xFF
            members.update(range(min(low, high), max(low, high) + 1))
            at += 3
        else:
            members.add(low)
            at += 1
    return frozenset(members)


assert LITERAL == 0x100  # `& 0xFF` above takes a literal byte for what it is

register("s", _string)
register("c", _characters)
register("[", _set)
