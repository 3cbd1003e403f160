"""Strings that stand for numbers: %{zero|one|two}, with the flag # numbered at will: %#{off=-1|on=10|other=?}.

Source: docs/reference/contracts/ioc.md, "Formats".
"""

import re
from dataclasses import dataclass

from testbeam.errors import ConversionError
from testbeam.wire.streamdevice.coding import LITERAL, SKIP, SPACE, shown
from testbeam.wire.streamdevice.formats import Converter, Spec, Type, UnitReader, Value, register

_NUMBER = re.compile(r"[ \t]*([+-]?(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*))")


@dataclass(frozen=True, slots=True)
class Choice:
    """One string with its number; SKIP in it matches any byte."""

    units: tuple[int, ...]
    number: int

    def matches(self, data: bytes, at: int) -> bool:
        """Tell whether this string is at this place."""
        if at + len(self.units) > len(data):
            return False
        return all(unit == SKIP or unit & 0xFF == data[at + index] for index, unit in enumerate(self.units))


@dataclass(frozen=True, slots=True)
class Choices:
    """All strings of a format in their order; the first that begins the input is taken."""

    choices: tuple[Choice, ...]
    default: bool  # the last one is written for every number that has none
    type: Type = Type.ENUM

    def write(self, value: Value) -> bytes:
        """Return the string of a number.

        Raises:
            ConversionError: there is none.
        """
        number = int(value)
        found = next((choice for choice in self.choices if choice.number == number), self.choices[-1] if self.default else None)
        if found is None:
            known = ", ".join(f"{shown(choice.units)}={choice.number}" for choice in self.choices)
            raise ConversionError(f"{number} is none of {known}")
        return bytes(unit & 0xFF for unit in found.units if unit < SKIP)

    def scan(self, data: bytes, at: int) -> tuple[Value, int] | None:
        """Return the number of the first string that is at this place."""
        found = next((choice for choice in self.choices if choice.matches(data, at)), None)
        return (found.number, len(found.units)) if found else None


def _choices(spec: Spec, units: UnitReader) -> Converter:
    if spec.left or spec.sign or spec.space or spec.zero:
        raise ConversionError("the flags - + 0 and blank have no meaning here")
    choices, number = list[Choice](), 0
    while True:
        text, end = _text(units, numbered=spec.alternate)
        if end == "=" and units.plain() == "?":
            return _with_default(spec, units, (*choices, Choice(text, number)))
        if end == "=":
            number, end = _number(units)
        choices.append(Choice(text, number))
        if end == "}":
            return Choices(tuple(choices), default=False)
        number += 1


def _text(units: UnitReader, *, numbered: bool) -> tuple[tuple[int, ...], str]:
    """Return one string and the character that ends it."""
    ends = "|}=" if numbered else "|}"
    text = list[int]()
    while not (units.plain() and units.plain() in ends):
        if units.at >= len(units.units):
            raise ConversionError("'}' is missing")
        unit = units.take()
        text.append(ord(" ") if unit == SPACE else unit)
    return tuple(text), chr(units.take())


def _number(units: UnitReader) -> tuple[int, str]:
    begin, text = units.at, ""
    while units.plain() and units.plain() not in "|}":
        text += chr(units.take())
    match = _NUMBER.fullmatch(text)
    if match is None or not units.plain():
        raise ConversionError(f"a whole number is expected after '=', not {shown(units.units[begin : units.at])!r}")
    return _value(match[1]), chr(units.take())


def _value(text: str) -> int:
    digits = text.lstrip("+-")
    base = 16 if digits[:2].lower() == "0x" else 8 if digits.startswith("0") else 10
    return int(digits, base) * (-1 if text.startswith("-") else 1)


def _with_default(spec: Spec, units: UnitReader, choices: tuple[Choice, ...]) -> Converter:
    units.take()
    if spec.reading:
        raise ConversionError("a default (=?) is for output only")
    if units.plain() != "}":
        raise ConversionError("the default (=?) must be the last string")
    units.take()
    return Choices(choices, default=True)


assert LITERAL > 0xFF

register("{", _choices)
