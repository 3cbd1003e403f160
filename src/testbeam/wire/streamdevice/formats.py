"""Format converters within a string: `%`, a field in parentheses, flags, width, precision, a conversion character and what belongs to it.

Source: docs/reference/contracts/ioc.md, "Formats".
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from testbeam.errors import ConversionError
from testbeam.wire.streamdevice.coding import LITERAL, SKIP, SPACE, Units, shown

Value = int | float | bytes


class Type(Enum):
    """The data type of a converter; a record decides by it which of its fields is meant."""

    UNSIGNED = "unsigned"
    SIGNED = "signed"
    ENUM = "enum"
    DOUBLE = "double"
    STRING = "string"
    PSEUDO = "pseudo"  # no value: rewrites what has been written or is about to be read
    CHECKSUM = "checksum"  # no value: works on the bytes as they were received


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """Flags, width and precision of one format."""

    conversion: str
    reading: bool  # it parses input, or is compared with it
    skip: bool = False  # *
    alternate: bool = False  # #
    sign: bool = False  # +
    zero: bool = False  # 0
    left: bool = False  # -
    space: bool = False
    default: bool = False  # ?
    compare: bool = False  # =
    fixed: bool = False  # !
    width: int = 0
    precision: int | None = None


class Converter(Protocol):
    """One format, ready to write and to scan values of its type."""

    @property
    def type(self) -> Type:
        """Return the type of its values."""

    def write(self, value: Value) -> bytes:
        """Return the value as bytes.

        Raises:
            ConversionError: it can't be written so.
        """

    def scan(self, data: bytes, at: int) -> tuple[Value, int] | None:
        """Return the value found at this place and the number of bytes it takes, or None."""


class Pseudo(Protocol):
    """A format without a value."""

    @property
    def type(self) -> Type:
        """Return PSEUDO or CHECKSUM."""

    def append(self, output: bytes) -> bytes:
        """Return the output with this format applied at its end, or rewritten."""

    def take(self, data: bytes, at: int) -> tuple[bytes, int] | None:
        """Return the input, perhaps rewritten behind `at`, and the number of bytes this format takes; None: no match."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format as part of a string."""

    text: str  # as written, without the field
    spec: Spec
    converter: Converter | Pseudo
    field: str | None = None
    address: object = dataclasses.field(default=None, compare=False)  # where the field is, as the IOC has found it


@dataclass(frozen=True, slots=True)
class Gap:
    r"""Any byte (`\?`), or white space (`\_`)."""

    space: bool


Element = bytes | Gap | Format


class UnitReader:
    """Takes units one by one."""

    def __init__(self, units: Sequence[int], at: int = 0) -> None:
        self.units = units
        self.at = at

    def plain(self) -> str:
        """Return the next byte where it may belong to a format, or the empty string; it is not taken."""
        return chr(self.units[self.at]) if self.at < len(self.units) and self.units[self.at] < LITERAL else ""

    def take(self) -> int:
        """Return the next unit.

        Raises:
            ConversionError: there is none.
        """
        if self.at >= len(self.units):
            raise ConversionError("the string ends within a format")
        self.at += 1
        return self.units[self.at - 1]

    def byte(self) -> int:
        """Return the next unit as a byte, literal or not."""
        return self.take() & 0xFF

    def number(self) -> int | None:
        """Return the decimal number that comes next, or None."""
        digits = ""
        while self.plain().isdigit():
            digits += chr(self.take())
        return int(digits) if digits else None

    def until(self, end: str) -> list[int]:
        """Return the units before the next plain `end`, which is taken, too.

        Raises:
            ConversionError: it does not come.
        """
        begin = self.at
        while self.plain() != end:
            if self.at >= len(self.units):
                raise ConversionError(f"{end!r} is missing after {shown(self.units[begin:])!r}")
            self.at += 1
        self.at += 1
        return list(self.units[begin : self.at - 1])


_FLAGS = {"*": "skip", "#": "alternate", "+": "sign", "0": "zero", "-": "left", " ": "space", "?": "default", "=": "compare", "!": "fixed"}
_READING_ONLY = {"skip": "*", "default": "?", "compare": "=", "fixed": "!"}

Builder = Callable[[Spec, UnitReader], Converter | Pseudo]
_builders: dict[str, Builder] = {}


def register(conversions: str, builder: Builder) -> None:
    """Let `builder` make the formats of these conversion characters."""
    for conversion in conversions:
        _builders[conversion] = builder


def elements(units: Units, *, reading: bool, address: Callable[[str], object] | None) -> tuple[Element, ...]:
    """Return the parts of a string; `address` finds a field, or is None where there are no fields.

    Raises:
        ConversionError: a format is wrong, or a field is not found.
    """
    reader, found = UnitReader(units), list[Element]()
    while reader.at < len(units):
        element = _element(reader, reading=reading, address=address)
        if isinstance(element, bytes) and found and isinstance(found[-1], bytes):
            found[-1] += element
        else:
            found.append(element)
    return tuple(found)


def _element(reader: UnitReader, *, reading: bool, address: Callable[[str], object] | None) -> Element:
    if reader.plain() != "%":
        unit = reader.take()
        return Gap(unit == SPACE) if unit in (SKIP, SPACE) else bytes([unit & 0xFF])
    reader.take()
    if reader.plain() == "%":
        reader.take()
        return b"%"
    begin = reader.at
    try:
        return _format(reader, reading=reading, address=address)
    except ConversionError as error:
        raise ConversionError(f"format %{shown(reader.units[begin : reader.at])}: {error}") from None


def _format(reader: UnitReader, *, reading: bool, address: Callable[[str], object] | None) -> Format:
    field_name = None
    if reader.plain() == "(":
        reader.take()
        field_name = bytes(unit & 0xFF for unit in reader.until(")")).decode("latin-1")
    begin = reader.at
    spec = _spec(reader, reading=reading)
    builder = _builders.get(spec.conversion)
    if builder is None:
        raise ConversionError(f"there is no conversion {spec.conversion!r}; known are {' '.join(sorted(_builders))}")
    converter = builder(spec, reader)
    if field_name is not None and (spec.skip or converter.type in (Type.PSEUDO, Type.CHECKSUM)):
        raise ConversionError("a field can't be given to a format that has no value")
    return Format(
        text=shown(reader.units[begin : reader.at]),
        spec=spec,
        converter=converter,
        field=field_name,
        address=_address(field_name, address),
    )


def _address(name: str | None, address: Callable[[str], object] | None) -> object:
    if name is None:
        return None
    if address is None:
        raise ConversionError(f"field {name!r} can't be used here")
    return address(name)


def _spec(reader: UnitReader, *, reading: bool) -> Spec:
    flags = dict[str, bool]()
    while reader.plain() and reader.plain() in _FLAGS:
        flags[_FLAGS[chr(reader.take())]] = True
    for name, char in _READING_ONLY.items():
        if name in flags and not reading:
            raise ConversionError(f"the flag {char!r} is for input only")
    width = reader.number() or 0
    precision = None
    if reader.plain() == ".":
        reader.take()
        precision = reader.number()
        if precision is None and reader.plain() != "S":
            raise ConversionError("a number is expected after '.'")
    if width > 1 << 20 or (precision or 0) > 0x7FFF:
        raise ConversionError("width or precision is out of range")
    conversion = reader.plain()
    if not conversion or conversion in "'\" (.0+-*?=":
        raise ConversionError("the conversion character is missing")
    reader.take()
    return Spec(conversion=conversion, reading=reading and "compare" not in flags, width=width, precision=precision, **flags)
