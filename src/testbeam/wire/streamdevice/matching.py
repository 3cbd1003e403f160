"""Values put into a string of formats, and a message held against one.

Source: docs/reference/contracts/ioc.md, "How a protocol runs".
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, cast

from testbeam.errors import ConversionError
from testbeam.wire.streamdevice.coding import BLANKS, LITERAL, SKIP, SPACE, Units, show
from testbeam.wire.streamdevice.converters.regular_expressions import Match
from testbeam.wire.streamdevice.formats import Converter, Element, Format, Gap, Pseudo, Type, Value
from testbeam.wire.streamdevice.program import Settings

_SPACES = b" \t\n\v\f\r"
_PSEUDO = (Type.PSEUDO, Type.CHECKSUM)
_SHOWN = 20

ValuesOf = Callable[[Format], Iterable[Value]]


class Target(Protocol):
    """Where values come from and go to."""

    def values(self, fmt: Format) -> Iterable[Value]:
        """Return what a format writes."""

    def accept(self, fmt: Format, scan: "Scan") -> bool:
        """Store what is scanned."""


def written(elements: Sequence[Element], values: ValuesOf, separator: Units) -> bytes:
    """Return a string with values in place of its formats; those of an array have the separator between them.

    Raises:
        ConversionError: a value can't be had or written.
    """
    output = b""
    for element in elements:
        if isinstance(element, bytes):
            output += element
        elif isinstance(element, Gap):
            output += b" " if element.space else b""
        elif element.converter.type in _PSEUDO:
            output = _pseudo(element).append(output)
        else:
            output += _values(element, values, separator)
    return output


def _values(fmt: Format, values: ValuesOf, separator: Units) -> bytes:
    converter, between = _converter(fmt), _separator_bytes(separator)
    try:
        return between.join(converter.write(value) for value in values(fmt))
    except ConversionError as error:
        what = f"field '{fmt.field}'" if fmt.field else "value"
        raise ConversionError(f'Cannot format {what} with "%{fmt.text}": {error}') from None
    except (ValueError, OverflowError, TypeError) as error:
        raise ConversionError(f'Cannot format value with "%{fmt.text}": {error}') from None


def _separator_bytes(separator: Units) -> bytes:
    return b"".join(b" " if unit in (SPACE, BLANKS) else b"" if unit == SKIP else bytes([unit & 0xFF]) for unit in separator)


def _converter(fmt: Format) -> Converter:
    return cast(Converter, fmt.converter)  # the type says which of the two it is


def _pseudo(fmt: Format) -> Pseudo:
    return cast(Pseudo, fmt.converter)


class Scan:
    """Takes the values of one format from a message, one after the other."""

    def __init__(self, fmt: Format, line: bytes, at: int, separator: Units) -> None:
        self.format = fmt
        self.at = at
        self.tried = False  # a value was asked for: the record knows this type
        self.problem = ""
        self._line = line
        self._separator = separator
        self._first = True

    def take(self, size: int = 0) -> Value | None:
        """Return the next value, or None; size: the bytes, with a NUL at the end, that a string may take (0: any)."""
        self.tried = True
        begin, first = self.at, self._first
        if not self._between():
            return None
        spec = self.format.spec
        found = _converter(self.format).scan(self._line, self.at)
        if found is not None and not self._fits(found, size):
            return None
        if found is None and spec.default:
            found = _default(self.format), 0
        if found is None or (spec.fixed and found[1] != self._fixed_length()):
            return None
        self.at += found[1]
        return None if self.at == begin and not first else found[0]  # else the empty string would be found for ever

    def _fixed_length(self) -> int:
        return self.format.spec.width

    def _fits(self, found: tuple[Value, int], size: int) -> bool:
        """Tell whether a match of a regular expression is short enough, or may be cut (flag +)."""
        value, spec = found[0], self.format.spec
        if not size or not isinstance(value, bytes) or len(value) < size or spec.sign:
            return True
        if isinstance(self.format.converter, Match):
            too_long = f'Matching string "{show(value)}" too long ({len(value)}>{size - 1} bytes)'
            self.problem = f'Regexp: {too_long}. You may want to try the + flag: "%+/.../"'
            return False
        return True

    def _between(self) -> bool:
        """Take the separator before every value but the first; tell whether it is there."""
        if self._first or not self._separator:
            self._first = False
            return True
        at = self.at
        for unit in self._separator:
            if unit in (SPACE, BLANKS):
                behind = _behind_spaces(self._line, at)
                if unit == BLANKS and behind == at:
                    return False
                at = behind
            elif unit == SKIP:
                at += 1
            elif self._line[at : at + 1] != bytes([unit & 0xFF]):
                return False
            else:
                at += 1
        self.at = min(at, len(self._line))
        return True


def _default(fmt: Format) -> Value:
    defaults: dict[Type, Value] = {Type.STRING: b"", Type.DOUBLE: 0.0}
    return defaults.get(fmt.converter.type, 0)


def _behind_spaces(line: bytes, at: int) -> int:
    while at < len(line) and line[at] in _SPACES:
        at += 1
    return at


class Matcher:
    """One message held against the elements of an `in` command."""

    def __init__(self, line: bytes, target: Target, settings: Settings) -> None:
        self.received = False
        self._line = line
        self._original = line
        self._at = 0
        self._grown = 0  # how much longer the line is than the original, by substitutions
        self._target = target
        self._settings = settings

    def match(self, elements: Sequence[Element]) -> str:
        """Store the values of a message that matches; return what is wrong with it, or the empty string."""
        for element in elements:
            problem = self._element(element)
            if problem:
                return problem
        surplus = len(self._line) - self._at
        if surplus > 0 and not self._settings.ignore_extra_input:
            return self._surplus(surplus)
        return ""

    def _element(self, element: Element) -> str:
        if isinstance(element, bytes):
            return self._literal(element)
        if isinstance(element, Gap):
            self._at = _behind_spaces(self._line, self._at) if element.space else min(self._at + 1, len(self._line))
            return ""
        if element.converter.type in _PSEUDO:
            return self._rewrite(element)
        if element.spec.skip:
            return self._skip(element)
        return self._compare(element) if element.spec.compare else self._value(element)

    def _literal(self, expected: bytes) -> str:
        if self._line.startswith(expected, self._at):
            self._at += len(expected)
            return ""
        common = 0
        while self._line[self._at + common : self._at + common + 1] == expected[common : common + 1] != b"":
            common += 1
        self._at += common
        if self._at >= len(self._line):
            return f'Input "{_tail(self._line)}" too short. No match for "{show(expected[common:])}"'
        before, after = self._line[: self._at], self._line[self._at :]
        plural = "" if len(before) == 1 else "s"
        return (
            f'Input "{_around(self._line, self._at)}" mismatch after {len(before)} byte{plural} "{_tail(before)}": '
            f'got "{_head(after)}" where "{show(expected[common:])}" was expected'
        )

    def _rewrite(self, fmt: Format) -> str:
        """Apply a substitution to the line, or hold a checksum against the bytes as they came."""
        if fmt.converter.type is Type.CHECKSUM:
            taken = _pseudo(fmt).take(self._original, self._at - self._grown)
        else:
            taken = _pseudo(fmt).take(self._line, self._at)
        if taken is None:
            return "" if fmt.spec.default else self._no_match(fmt)
        if fmt.converter.type is Type.PSEUDO:
            self._grown += len(taken[0]) - len(self._line)
            self._line = taken[0]
        self._at += taken[1]
        return ""

    def _skip(self, fmt: Format) -> str:
        found = _converter(fmt).scan(self._line, self._at)
        if found is None or self._at + found[1] > len(self._line):
            return "" if fmt.spec.default else self._no_match(fmt)
        self._at += found[1]
        return ""

    def _compare(self, fmt: Format) -> str:
        try:
            expected = _values(fmt, self._target.values, self._settings.separator)
        except ConversionError as error:
            return str(error)
        if self._line.startswith(expected, self._at):
            self._at += len(expected)
            return ""
        if len(self._line) - self._at < len(expected):
            return f'Input "{_tail(self._line)}" too short. No match for format "%{fmt.text}" ("{show(expected)}")'
        return f'{self._no_match(fmt)} ("{show(expected)}")'

    def _value(self, fmt: Format) -> str:
        scan = Scan(fmt, self._line, self._at, self._settings.separator)
        if self._target.accept(fmt, scan):
            self._at = scan.at
            self.received = self.received or fmt.field is None
            return ""
        if scan.problem:
            return scan.problem
        if not scan.tried:
            what = fmt.field or "the record"
            return f'Format "%{fmt.text}" has data type {fmt.converter.type.value} which is not supported by "{what}".'
        if scan.at > self._at:
            return f'Record does not accept input "{_head(self._line[self._at :])}"'
        return self._no_match(fmt)

    def _no_match(self, fmt: Format) -> str:
        return f'Input "{_head(self._line[self._at :])}" does not match format "%{fmt.text}"'

    def _surplus(self, count: int) -> str:
        plural, before = "" if count == 1 else "s", self._line[: self._at]
        behind = "" if len(before) == 1 else "s"
        return f'{count} byte{plural} surplus input "{_head(self._line[self._at :])}" after {len(before)} byte{behind}: "{_tail(before)}"'


def _head(data: bytes) -> str:
    return show(data[:_SHOWN]) + ("..." if len(data) > _SHOWN else "")


def _tail(data: bytes) -> str:
    return ("..." if len(data) > _SHOWN else "") + show(data[-_SHOWN:])


def _around(data: bytes, at: int) -> str:
    begin, end = max(at - _SHOWN, 0), at + _SHOWN
    return ("..." if begin else "") + show(data[begin:end]) + ("..." if end < len(data) else "")


assert LITERAL > 0xFF
