"""Decimal, octal, hexadecimal and floating-point numbers: %d %i %u %o %x %X, %f %e %E %g %G, and %m for mantissa and exponent.

Source: docs/reference/contracts/ioc.md, "Formats"; ISO C on printf, strtoul and strtod.
"""

import math
import re
from dataclasses import dataclass

from testbeam.errors import ConversionError
from testbeam.wire.streamdevice.formats import Converter, Spec, Type, UnitReader, Value, register

_WORD = 1 << 64
_DECIMAL, _MOST_DIGITS = 10, 400
_SPACES = re.compile(rb"[ \t\n\v\f\r]*")
_DIGITS = {
    8: re.compile(rb"[0-7]+"),
    10: re.compile(rb"[0-9]+"),
    16: re.compile(rb"(?:0[xX](?=[0-9a-fA-F]))?[0-9a-fA-F]+"),
    0: re.compile(rb"0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*"),
}
_BASES = {"d": 10, "u": 10, "o": 8, "x": 16, "X": 16, "i": 0}
_REAL = re.compile(
    rb"(?:inf(?:inity)?|nan(?:\([0-9a-z_]*\))?|(?P<hex>0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p[+-]?\d+)?)"
    rb"|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)",
    re.IGNORECASE,
)
_MANTISSA = re.compile(rb"[ \t\n\v\f\r]*([+-]?\d+)[ \t\n\v\f\r]*([+-]?\d+)")


def signed(number: int) -> int:
    """Return a number as a signed word of 64 bits."""
    number &= _WORD - 1
    return number - _WORD if number >= _WORD >> 1 else number


def whole(digits: bytes | str, base: int = 10) -> int:
    """Return the number of digits; for a decimal one with more of them than any real number has, one as large: Python refuses those."""
    if base != _DECIMAL or len(digits) <= _MOST_DIGITS:
        return int(digits, base)
    text = digits.decode() if isinstance(digits, bytes) else digits
    magnitude = text.lstrip("+-").lstrip("0")
    return int(magnitude[:_MOST_DIGITS] or "0") * (-1 if text.startswith("-") else 1)


def printf(spec: Spec, conversion: str, value: Value) -> bytes:
    """Return a number in the form of C's printf, with flags, width and precision of the format."""
    given = (("-", spec.left), ("+", spec.sign), (" ", spec.space), ("#", spec.alternate), ("0", spec.zero))
    flags = "".join(char for char, on in given if on)
    if isinstance(value, float) and not math.isfinite(value):
        flags = flags.replace("0", "")
    elif spec.precision is not None and isinstance(value, int):
        flags = flags.replace("0", "")  # C ignores 0 beside a precision
    width = str(spec.width or "")
    precision = "" if spec.precision is None else f".{spec.precision}"
    text: str = f"%{flags}{width}{precision}{conversion}" % value
    return text.encode()


@dataclass(frozen=True, slots=True)
class Prepared:
    """The begin of a number: what stands before its digits has been taken."""

    text: bytes
    at: int  # where the digits begin in text
    before: int  # bytes of the input before the digits
    negative: bool


def prepare(spec: Spec, data: bytes, at: int) -> Prepared | None:
    """Take white space and the sign before a number, within the width; None where blanks follow a sign and may not."""
    spaces = _end(_SPACES, data, at) - at
    begin = at + spaces
    if spec.width:
        data = data[: begin + max(spec.width - (spaces if spec.space else 0), 0)]
    sign = data[begin : begin + 1]
    digits = begin + (sign in (b"+", b"-"))
    behind = _end(_SPACES, data, digits)
    if behind != digits and not spec.alternate:
        return None
    return Prepared(data, behind, behind - at, negative=sign == b"-")


def _end(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    match = pattern.match(data, at)
    return match.end() if match else at


@dataclass(frozen=True, slots=True)
class Integer:
    """Whole numbers of 64 bits."""

    spec: Spec
    type: Type

    def write(self, value: Value) -> bytes:
        """Return the number; %x keeps as many digits as the width has."""
        conversion, number = self.spec.conversion, int(value)
        if conversion in "xX" and 0 < self.spec.width < 16:
            number &= (1 << 4 * self.spec.width) - 1
        if conversion in "di":
            return printf(self.spec, "d", signed(number))
        return self._unsigned(number % _WORD)

    def _unsigned(self, number: int) -> bytes:
        spec, conversion = self.spec, self.spec.conversion
        digits = {"u": str(number), "o": f"{number:o}", "x": f"{number:x}", "X": f"{number:X}"}[conversion]
        if spec.precision is not None:
            digits = digits.rjust(spec.precision, "0")
        prefix = ""
        if spec.alternate and conversion == "o" and not digits.startswith("0"):
            digits = f"0{digits}"
        elif spec.alternate and number and conversion in "xX":
            prefix = f"0{conversion}"
        if spec.zero and not spec.left and spec.precision is None:
            digits = digits.rjust(spec.width - len(prefix), "0")
        text = prefix + digits
        return (text.ljust(spec.width) if spec.left else text.rjust(spec.width)).encode()

    def scan(self, data: bytes, at: int) -> tuple[Value, int] | None:
        """Return the number at this place; octal and hexadecimal ones are negative only with the flag -."""
        prepared = prepare(self.spec, data, at)
        if prepared is None or (prepared.negative and not self._may_be_negative()):
            return None
        match = _DIGITS[_BASES[self.spec.conversion]].match(prepared.text, prepared.at)
        if match is None:
            return None
        base = _BASES[self.spec.conversion] or _base_of(match[0])
        number = min(whole(match[0], base), _WORD - 1)
        return signed(-number if prepared.negative else number), prepared.before + len(match[0])

    def _may_be_negative(self) -> bool:
        return self.spec.conversion in "di" or (self.spec.conversion in "oxX" and self.spec.left)


def _base_of(digits: bytes) -> int:
    return 16 if digits[:2].lower() == b"0x" else 8 if digits.startswith(b"0") else 10


@dataclass(frozen=True, slots=True)
class Real:
    """Floating-point numbers."""

    spec: Spec
    type: Type = Type.DOUBLE

    def write(self, value: Value) -> bytes:
        """Return the number in the form of printf."""
        return printf(self.spec, self.spec.conversion, float(value))

    def scan(self, data: bytes, at: int) -> tuple[Value, int] | None:
        """Return the number at this place, in any of the forms that strtod knows."""
        prepared = prepare(self.spec, data, at)
        match = _REAL.match(prepared.text, prepared.at) if prepared else None
        if prepared is None or match is None:
            return None
        value = _real(match)
        return (-value if prepared.negative else value), prepared.before + len(match[0])


def _real(match: re.Match[bytes]) -> float:
    text = match[0].decode().lower()
    if match["hex"]:
        try:
            return float.fromhex(text)
        except OverflowError:
            return math.inf
    return math.nan if text.startswith("nan") else float(text)


@dataclass(frozen=True, slots=True)
class Mantissa:
    """Numbers as whole mantissa and exponent without `e`: +123-04."""

    spec: Spec
    type: Type = Type.DOUBLE

    def write(self, value: Value) -> bytes:
        """Return mantissa and exponent; the precision is the number of digits of the mantissa."""
        number = float(value)
        if not math.isfinite(number):
            raise ConversionError(f"{number} has no mantissa")
        digits = self.spec.precision if self.spec.precision else 6
        # divided first, so that it is rounded as StreamDevice rounds it: 12345 with 4 digits is 1235+01
        mantissa, exponent = f"{abs(number) / 10.0 ** (digits - 1):.{digits - 1}e}".split("e")
        text = f"{mantissa.replace('.', '')}{int(exponent):+03d}"
        sign = "-" if number < 0 else "+" if self.spec.sign else " " if self.spec.space else ""
        return ((sign + text).ljust(self.spec.width) if self.spec.left else (sign + text).rjust(self.spec.width)).encode()

    def scan(self, data: bytes, at: int) -> tuple[Value, int] | None:
        """Return the number at this place."""
        match = _MANTISSA.match(data, at)
        if match is None:
            return None
        mantissa, exponent = whole(match[1]), whole(match[2])
        if abs(exponent) > 10_000:
            return (math.copysign(math.inf, mantissa) if mantissa and exponent > 0 else 0.0), match.end() - at
        return float(f"{mantissa}e{exponent}"), match.end() - at


def _no_precision(spec: Spec) -> None:
    if spec.reading and spec.precision is not None:
        raise ConversionError("a precision is for output only")


def _integer(spec: Spec, _: UnitReader) -> Converter:
    _no_precision(spec)
    is_signed = spec.conversion in "di" or (spec.conversion in "xo" and (spec.left or spec.sign))
    return Integer(spec, Type.SIGNED if is_signed else Type.UNSIGNED)


def _double(spec: Spec, _: UnitReader) -> Converter:
    _no_precision(spec)
    return Real(spec)


register("diouxX", _integer)
register("feEgG", _double)
register("m", lambda spec, _: Mantissa(spec))
