r"""Strings of a protocol as coded units: bytes that may belong to a format, literal bytes, "any byte" and "white space".

A unit is a number: 0 … 255 is a byte as written, which may belong to a format; `LITERAL + byte` is a byte that was escaped or written as
a number or by its ASCII name; SKIP is `\?`, SPACE is `\_`.
Source: docs/reference/contracts/ioc.md, "Protocol files".
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from testbeam.errors import ProtocolError
from testbeam.wire.streamdevice.protocol_file import Definition, Value
from testbeam.wire.streamdevice.tokens import Source, Token, value_tokens

LITERAL = 0x100
SKIP = 0x200
SPACE = 0x201
BLANKS = 0x202  # one or more blanks, as the first character of a separator

Units = tuple[int, ...]

_NAMES = (
    *("nul", "soh", "stx", "etx", "eot", "enq", "ack", "bel", "bs", "ht", "lf", "vt", "ff", "cr", "so", "si"),
    *("dle", "dc1", "dc2", "dc3", "dc4", "nak", "syn", "etb", "can", "em", "sub", "esc", "fs", "gs", "rs", "us"),
)
ASCII = {name: code for code, name in enumerate(_NAMES)} | {"tab": 9, "nl": 10, "np": 12, "del": 127}

_ESCAPES = {"a": 7, "b": 8, "t": 9, "n": 10, "r": 13, "e": 27}
_NUMBERS: tuple[tuple[re.Pattern[str], int], ...] = (
    (re.compile(r"0[0-7]{0,3}"), 8),
    (re.compile(r"x([0-9A-Fa-f]{1,2})"), 16),
    (re.compile(r"[1-9]\d{0,2}"), 10),
)
_INTEGER = re.compile(r"[+-]?(?:0x[0-9a-f]+|0[0-7]*|[1-9]\d*)")


@dataclass(slots=True)
class Scope:
    """What variables of one protocol stand for: its own ones and the arguments $0 … $9 of the link."""

    definition: Definition
    arguments: tuple[str, ...]  # the first one is the protocol's name
    used: set[str] = field(default_factory=set)

    def value(self, token: Token) -> Value:
        """Return the tokens that a variable stands for.

        Raises:
            ProtocolError: it is not defined, or the link has no such argument.
        """
        if token.text.isdigit():
            return value_tokens(Source(f"argument ${token.text} of {self.arguments[0]!r}", self.argument(token)))
        if token.text not in self.definition.variables:
            known = ", ".join(sorted(self.definition.variables)) or "none"
            raise token.error(f"variable {token.text!r} is not defined at this place; defined are: {known}")
        self.used.add(token.text)
        return self.definition.variables[token.text]

    def argument(self, token: Token) -> str:
        """Return the text of an argument.

        Raises:
            ProtocolError: the link has fewer.
        """
        number = int(token.text)
        if number >= len(self.arguments):
            raise token.error(f"the link gives no value for ${number}: it has {len(self.arguments) - 1} argument(s)")
        return self.arguments[number]

    def quoted_text(self, token: Token) -> str:
        """Return what stands for a variable within a quoted string: the text of its value, its quotes included."""
        if token.text.isdigit():
            return self.argument(token)
        return "".join(f'\\"{part.text}\\"' if part.kind == "string" else part.text for part in self.value(token))


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a string with its variables put in: quoted text with escapes, or a bare word."""

    text: str
    quoted: bool
    token: Token


def pieces(value: Value, scope: Scope, depth: int = 0) -> list[Piece]:
    """Put variables in, and join what makes one number: a sign with its digits, digits with a bare argument.

    Raises:
        ProtocolError: a variable is not defined, or contains itself.
    """
    found: list[Piece] = []
    comma = False
    for token in value:
        if depth > 20:
            raise token.error(f"variable {token.text!r} contains itself")
        for piece in _of_token(token, scope, depth):
            _join(found, piece, glued=token.glued and not comma)
        comma = token.kind == "mark" and token.text == ","
    return found


def _of_token(token: Token, scope: Scope, depth: int) -> list[Piece]:
    if token.kind == "variable" and token.quoted:
        return [Piece(scope.quoted_text(token), quoted=True, token=token)]
    if token.kind == "variable":
        return pieces(scope.value(token), scope, depth + 1)
    if token.kind == "mark" and token.text == ",":
        return []
    return [Piece(token.text, quoted=token.kind == "string", token=token)]


def _join(found: list[Piece], piece: Piece, *, glued: bool) -> None:
    last = found[-1] if found else None
    if last is not None and glued and not last.quoted and not piece.quoted and (last.text in "+-" or last.token.kind == "word"):
        found[-1] = Piece(last.text + piece.text, quoted=False, token=last.token)
    elif last is not None and glued and last.quoted and piece.quoted and _continues(last, piece):
        found[-1] = Piece(last.text + piece.text, quoted=True, token=last.token)
    else:
        found.append(piece)


def _continues(last: Piece, piece: Piece) -> bool:
    """Tell whether both belong to one pair of quotes, with a variable in between."""
    return piece.token.quoted or last.token.quoted


def code(value: Value, scope: Scope) -> Units:
    """Return the units of a string.

    Raises:
        ProtocolError: a word means nothing, or a number fits no byte.
    """
    return tuple(unit for piece in pieces(value, scope) for unit in _units(piece))


def _units(piece: Piece) -> Iterator[int]:
    if piece.quoted:
        yield from _text(piece.text, lambda problem: piece.token.error(problem))
    elif _INTEGER.fullmatch(piece.text):
        yield _byte(_integer(piece.text), piece)
    elif piece.text in ("skip", "?"):
        yield SKIP
    elif piece.text in ASCII:
        yield LITERAL + ASCII[piece.text]
    else:
        raise piece.token.error(f"{piece.text!r} is no byte, no ASCII name and no quoted string")


def _byte(number: int, piece: Piece) -> int:
    if not -0x80 <= number <= 0xFF:
        raise piece.token.error(f"{piece.text} does not fit in a byte (-128 … 255)")
    return LITERAL + (number & 0xFF)


def _integer(text: str) -> int:
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.lstrip("+"))
    base = 16 if digits.startswith("0x") else 8 if digits.startswith("0") else 10
    return sign * int(digits, base)


def _text(text: str, error: Callable[[str], ProtocolError]) -> Iterator[int]:
    at = 0
    while at < len(text):
        if text[at] == "\\" and at + 1 < len(text):
            unit, at = _escape(text, at + 1, error)
            yield unit
        else:
            yield ord(text[at]) & 0xFF
            at += 1


def _escape(text: str, at: int, error: Callable[[str], ProtocolError]) -> tuple[int, int]:
    """Return the unit of the escape whose character is at `at`, and where it ends."""
    char = text[at]
    if char in "?_":
        return (SKIP if char == "?" else SPACE), at + 1
    if char in _ESCAPES:
        return LITERAL + _ESCAPES[char], at + 1
    for pattern, base in _NUMBERS:
        if match := pattern.match(text, at):
            number = int(match[match.lastindex or 0], base)
            if number > 0xFF:
                raise error(f"\\{match[0]} does not fit in a byte")
            return LITERAL + number, match.end()
    if char == "x":
        raise error("a hexadecimal digit is expected after \\x")
    return LITERAL + (ord(char) & 0xFF), at + 1


def number(value: Value, scope: Scope, name: Token) -> int:
    """Return the number that a value is.

    Raises:
        ProtocolError: it is none, or negative.
    """
    text = "".join(piece.text for piece in pieces(value, scope))
    if not _INTEGER.fullmatch(text.lower()) or text.startswith("-"):
        raise name.error(f"{name.text!r} takes a whole number from 0, not {text!r}")
    return _integer(text.lower())


def plain_bytes(units: Sequence[int]) -> bytes:
    """Return the bytes of units, those that match anything left out."""
    return bytes(unit & 0xFF for unit in units if unit < SKIP)


def shown(units: Sequence[int]) -> str:
    """Return units for a message, what is not printable as in a protocol file."""
    marks = {SKIP: "\\?", SPACE: "\\_"}
    return "".join(marks.get(unit) or show(bytes([unit & 0xFF])) for unit in units)


def show(data: bytes, limit: int = 0) -> str:
    r"""Return bytes for a message: printable ones as they are, others as `\r`, `\n` or `\x1b`; cut after `limit` bytes."""
    names = {10: "\\n", 13: "\\r", 9: "\\t", 34: '\\"', 92: "\\\\"}
    part = data[:limit] if limit else data
    text = "".join(names.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}") for byte in part)
    return text + ("…" if len(part) < len(data) else "")
