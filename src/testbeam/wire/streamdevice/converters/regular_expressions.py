"""%/regex/ takes what matches, %#/regex/replacement/ rewrites the input behind it or the output before it.

The expressions are Perl's; they are run by Python's `re`, and what has another spelling there is translated.
Source: docs/reference/contracts/ioc.md, "Formats"; pcrepattern(3); Python, `re`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from testbeam.errors import ConversionError
from testbeam.wire.streamdevice.coding import LITERAL, SKIP, SPACE
from testbeam.wire.streamdevice.formats import Converter, Pseudo, Spec, Type, UnitReader, Value, register

_POSIX = {
    b"alpha": rb"a-zA-Z",
    b"digit": rb"0-9",
    b"alnum": rb"a-zA-Z0-9",
    b"upper": rb"A-Z",
    b"lower": rb"a-z",
    b"space": rb"\s",
    b"blank": rb" \t",
    b"punct": rb"!-/:-@\[-`{-~",
    b"xdigit": rb"0-9a-fA-F",
    b"word": rb"\w",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"print": rb"\x20-\x7e",
    b"graph": rb"\x21-\x7e",
}
_TRANSLATED = {
    rb"\h": rb"[ \t]",
    rb"\H": rb"[^ \t]",
    rb"\R": rb"(?:\r\n|[\n\v\f\r])",
    rb"\e": rb"\x1b",
    rb"\z": rb"\Z",
    rb"\N": rb"[^\n]",
}
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_NAMED = re.compile(rb"\(\?<(?![=!])")
_CLASS = re.compile(rb"\[:(\w+):\]")
_CASES = b"uUlL"
_FIRST_NUMBER = 0x30


@dataclass(frozen=True, slots=True)
class Match:
    """%/regex/: a string; what stands before the match is left out."""

    spec: Spec
    pattern: re.Pattern[bytes]
    type: Type = Type.STRING

    def write(self, value: Value) -> bytes:  # noqa: ARG002
        """Refuse: there is nothing to write.

        Raises:
            ConversionError: always.
        """
        raise ConversionError("%/regex/ is for input only")

    def scan(self, data: bytes, at: int) -> tuple[Value, int] | None:
        """Return the match, or its part that the precision names, and the bytes up to the end of the whole match."""
        part = data[at : at + self.spec.width] if self.spec.width else data[at:]
        match = self.pattern.search(part)
        group = self.spec.precision or 0
        if match is None or match[group] is None:
            return None
        return match[group], match.end(group) if self.spec.skip else match.end()


@dataclass(frozen=True, slots=True)
class Substitution:
    """%#/regex/replacement/; width limits the bytes that are looked at (the last ones with the flag -), precision names matches."""

    spec: Spec
    pattern: re.Pattern[bytes]
    replacement: tuple[int, ...]
    type: Type = Type.PSEUDO

    def append(self, output: bytes) -> bytes:
        """Return the output rewritten."""
        return self._rewritten(output, 0)

    def take(self, data: bytes, at: int) -> tuple[bytes, int] | None:
        """Return the input rewritten behind this place; nothing of it is taken."""
        return self._rewritten(data, at), 0

    def _rewritten(self, data: bytes, begin: int) -> bytes:
        length = len(data) - begin
        if self.spec.width:
            length = min(length, self.spec.width)
        if self.spec.left:
            begin = len(data) - length
        return data[:begin] + self._replaced(data[begin : begin + length]) + data[begin + length :]

    def _replaced(self, text: bytes) -> bytes:
        """Replace matches one after the other; each is searched for in what is left, as if it were a text of its own."""
        done, rest, number, wanted = b"", text, 1, self.spec.precision or 0
        while rest and (match := self.pattern.search(rest)):
            replace = self.spec.sign or number >= wanted
            done += rest[: match.start()] + (self._expanded(match) if replace else match[0])
            rest = rest[match.end() :]
            if match.end() == match.start() and rest:  # an empty match is made once
                done, rest = done + rest[:1], rest[1:]
            if number == wanted:
                break
            number += 1
        return done + rest

    def _expanded(self, match: re.Match[bytes]) -> bytes:
        out, units = b"", list(self.replacement)
        while units:
            unit = units.pop(0)
            if unit == ord("&"):
                out += match[0]
            elif unit < LITERAL or unit - LITERAL == 0:
                out += bytes([unit & 0xFF])
            elif unit in (SKIP, SPACE):
                out += b"?" if unit == SKIP else b" "
            else:
                out += self._escaped(unit - LITERAL, units, match)
        return out

    def _escaped(self, byte: int, units: list[int], match: re.Match[bytes]) -> bytes:
        groups = self.pattern.groups
        if byte in _CASES and units:
            group = 0 if units[0] & 0xFF == ord("&") else (units[0] & 0xFF) - _FIRST_NUMBER
            if 0 <= group <= min(groups, 9):
                units.pop(0)
                return _in_case(chr(byte), match[group] or b"")
        if 0 < byte <= min(groups, 9):
            return match[byte] or b""
        return bytes([byte])


def _in_case(how: str, text: bytes) -> bytes:
    if how in "UL":
        return text.upper() if how == "U" else text.lower()
    return (text[:1].upper() if how == "u" else text[:1].lower()) + text[1:]


def pattern_of(units: Sequence[int]) -> bytes:
    """Return an expression as it is meant: escapes of the protocol become escapes of the expression."""
    return b"".join(_pattern_part(unit) for unit in units)


def _pattern_part(unit: int) -> bytes:
    if unit in (SKIP, SPACE):
        return rb"\?" if unit == SKIP else rb"\s*"
    byte = unit & 0xFF
    if unit < LITERAL or byte == ord("/"):
        return bytes([byte])
    return b"\\x%02x" % byte if byte & 0x7F < _FIRST_NUMBER else bytes([ord("\\"), byte])


def compiled(text: bytes) -> re.Pattern[bytes]:
    """Return an expression of Perl as one of Python.

    Raises:
        ConversionError: it is wrong, or Python can't do it.
    """
    translated = _ESCAPED.sub(lambda match: _TRANSLATED.get(match[0], match[0]), text)
    translated = _CLASS.sub(lambda match: _POSIX.get(match[1], match[0]), _NAMED.sub(b"(?P<", translated))
    try:
        return re.compile(translated)
    except (re.error, OverflowError, RecursionError) as error:
        raise ConversionError(f"regular expression {text.decode('latin-1')!r}: {error}") from None


def _expression(spec: Spec, units: UnitReader) -> Converter | Pseudo:
    if not spec.reading and not spec.alternate:
        raise ConversionError("%/regex/ is for input only; %#/regex/replacement/ rewrites output")
    pattern = compiled(pattern_of(units.until("/")))
    if not spec.alternate:
        if (spec.precision or 0) > min(pattern.groups, 9):
            raise ConversionError(f"the precision asks for part {spec.precision} of an expression with {pattern.groups}")
        return Match(spec, pattern)
    return Substitution(spec, pattern, tuple(units.until("/")))


register("/", _expression)
