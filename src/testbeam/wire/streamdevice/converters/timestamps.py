"""%T(format): a time as text, as seconds since 1970.

The letters are strftime's. `%3f`, `%N`, `%.3S` and `%.S` are fractions of a second; `%+hhmm` and `%-hhmm` say in which zone the input is.
Source: docs/reference/contracts/ioc.md, "Formats"; strftime(3).
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from testbeam.errors import ConversionError
from testbeam.wire.streamdevice.coding import LITERAL
from testbeam.wire.streamdevice.converters.numbers import whole
from testbeam.wire.streamdevice.formats import Converter, Spec, Type, UnitReader, Value, register

DEFAULT = "%Y-%m-%d %H:%M:%S"

_MONTHS = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"]
_TOKEN = re.compile(
    r"%(?P<digits>\d+)f|%(?P<nano>[Nf])|%\.(?P<places>\d*)(?P<seconds>[Ss])|%(?P<zone>[+-]\d{4})|%[EO]?(?P<letter>.)|(?P<text>.)",
    re.DOTALL,
)
_SHORT = {"c": "%a %b %d %H:%M:%S %Y", "D": "%m/%d/%y", "F": "%Y-%m-%d", "R": "%H:%M", "T": "%H:%M:%S", "x": "%m/%d/%y"}
_SHORT |= dict.fromkeys("Xr", "%I:%M:%S %p")
_LETTERS = re.compile(r"[A-Za-z]*")
_SIGNED = re.compile(r"[ \t]*([+-]?\d+)")


@dataclass(slots=True)
class _Read:
    """What has been read of a time so far."""

    now: datetime
    year: int = 0
    month: int = 0
    day: int = 0
    hour: int = 0
    minute: int = 0
    second: int = 0
    fraction: float = 0.0
    afternoon: bool | None = None
    century: int | None = None
    since_1970: int | None = None
    zone_minutes: int | None = None

    def __post_init__(self) -> None:
        self.year, self.month, self.day = self.now.year, self.now.month, self.now.day

    def seconds(self) -> float | None:
        """Return the time, or None where there is no such one."""
        if self.since_1970 is not None:
            return self.since_1970 + self.fraction
        zone = None if self.zone_minutes is None else timezone(timedelta(minutes=self.zone_minutes))
        try:
            moment = datetime(self.year, self.month, self.day, self._hour(), self.minute, tzinfo=zone)
            return moment.timestamp() + self.second + self.fraction
        except (ValueError, OverflowError):
            return None

    def _hour(self) -> int:
        if self.afternoon is None:
            return self.hour
        return self.hour % 12 + 12 * self.afternoon if self.hour <= 12 else self.hour


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A time in one format; `now` gives the date where the format has none."""

    spec: Spec
    layout: str
    type: Type = Type.DOUBLE
    now: Callable[[], datetime] = datetime.now

    def write(self, value: Value) -> bytes:
        """Return the time in the local zone.

        Raises:
            ConversionError: there is no such time.
        """
        number = float(value)
        try:
            whole = math.floor(number)
            moment = datetime.fromtimestamp(whole, UTC).astimezone()
        except (OverflowError, ValueError, OSError) as error:
            raise ConversionError(f"{number} is no time: {error}") from None
        return "".join(_written(match, moment, number - whole) for match in _TOKEN.finditer(self.layout)).encode("latin-1", "replace")

    def scan(self, data: bytes, at: int) -> tuple[Value, int] | None:
        """Return the time at this place as seconds since 1970."""
        read, text = _Read(self.now()), data.decode("latin-1")
        end = _read(self.layout, text, at, read)
        seconds = read.seconds() if end is not None else None
        return None if end is None or seconds is None else (seconds, end - at)


def _written(match: re.Match[str], moment: datetime, fraction: float) -> str:
    if match["text"]:
        return match["text"]
    if match["seconds"]:
        places = int(match["places"] or 6)
        return f"{moment.second:02d}.{_digits(fraction, places)}"
    if match["nano"] or match["digits"]:
        return _digits(fraction, int(match["digits"] or (9 if match["nano"] == "N" else 6)))
    return moment.strftime(match[0])


def _digits(fraction: float, places: int) -> str:
    return f"{min(round(fraction * 10**places), 10**places - 1):0{places}d}" if places else ""


def _read(layout: str, text: str, at: int, read: _Read) -> int | None:
    """Read a time from `at`; return where it ends, or None where it does not fit."""
    for match in _TOKEN.finditer(layout):
        end = _read_token(match, text, at, read)
        if end is None:
            return None
        at = end
    return at


def _read_token(match: re.Match[str], text: str, at: int, read: _Read) -> int | None:
    if match["text"]:
        return _read_text(match["text"], text, at)
    if match["zone"]:
        read.zone_minutes = _minutes(int(match["zone"]))
        return at
    if match["seconds"]:
        end = _read_letter("S", text, at, read)
        return _read_fraction(text, end, int(match["places"] or 6), read) if end is not None else None
    if match["digits"] or match["nano"]:
        return _read_digits(text, at, int(match["digits"] or (9 if match["nano"] == "N" else 6)), read)
    return _read_letter(match["letter"], text, at, read)


def _read_text(wanted: str, text: str, at: int) -> int | None:
    if wanted.isspace():
        while at < len(text) and text[at].isspace():
            at += 1
        return at
    return at + 1 if text[at : at + 1] == wanted else None


def _read_fraction(text: str, at: int, places: int, read: _Read) -> int | None:
    return _read_digits(text, at + 1, places, read) if text[at : at + 1] == "." else None


def _read_digits(text: str, at: int, places: int, read: _Read) -> int | None:
    digits = re.match(r"\d*", text[at : at + places])
    found = digits[0] if digits else ""
    read.fraction = int(found) / 10 ** len(found) if found else 0.0
    return at + len(found)


def _read_letter(letter: str, text: str, at: int, read: _Read) -> int | None:
    if letter in _SHORT:
        return _read(_SHORT[letter], text, at, read)
    if letter in "aAZ":
        match = _LETTERS.match(text, at)
        return match.end() if match else at
    if letter in "bhBm":
        return _read_month(text, at, read)
    if letter in "pP":
        return _read_half(text, at, read)
    if letter in "%nt":
        return _read_text({"%": "%", "n": "\n", "t": "\t"}[letter], text, at)
    return _read_number(letter, text, at, read)


def _read_month(text: str, at: int, read: _Read) -> int | None:
    for number, name in enumerate(_MONTHS, 1):
        for length in (len(name), 3):
            if text[at : at + length].lower() == name[:length]:
                read.month = number
                return at + length
    return _read_number("m", text, at, read)


def _read_half(text: str, at: int, read: _Read) -> int | None:
    if text[at : at + 1].lower() not in ("a", "p") or at >= len(text):
        return None
    read.afternoon = text[at].lower() == "p"
    return at + (2 if text[at + 1 : at + 2].lower() == "m" else 1)


_LIMITS = {"u": (0, 7), "w": (0, 7), "U": (0, 53), "W": (0, 53), "V": (0, 53), "j": (0, 366), "m": (1, 12), "M": (0, 59), "S": (0, 60)}
_LIMITS |= dict.fromkeys("de", (1, 31)) | dict.fromkeys("HkIl", (0, 23)) | {"C": (0, 99), "z": (-2400, 2400)}
_LIMITS |= dict.fromkeys("Yy", (-9999, 9999)) | {"s": (-(1 << 40), 1 << 40)}
_PLAIN = {"m": "month", "M": "minute", "S": "second", "s": "since_1970"} | dict.fromkeys("de", "day") | dict.fromkeys("HkIl", "hour")


def _read_number(letter: str, text: str, at: int, read: _Read) -> int | None:
    match = _SIGNED.match(text, at)
    low, high = _LIMITS.get(letter, (1, 0))
    if match is None or not low <= whole(match[1]) <= high:
        return None
    number = whole(match[1])
    if letter in _PLAIN:
        setattr(read, _PLAIN[letter], number)
    elif letter in "Yy":
        read.year = _year(number, read)
    elif letter == "C":
        read.century, read.year = number, number * 100 + read.year % 100
    elif letter == "z":
        read.zone_minutes = _minutes(number)
    return match.end()


def _year(number: int, read: _Read) -> int:
    if number >= 100:
        return number
    century = read.century if read.century is not None else (19 if number >= 69 else 20)
    return century * 100 + number


def _minutes(zone: int) -> int:
    sign = -1 if zone < 0 else 1
    return sign * (abs(zone) // 100 * 60 + abs(zone) % 100)


def _timestamp(spec: Spec, units: UnitReader) -> Converter:
    if units.plain() != "(":
        return Timestamp(spec, DEFAULT)
    units.take()
    text = "".join(_letter(unit) for unit in units.until(")"))
    for match in _TOKEN.finditer(text):
        if spec.reading and match["letter"] and match["letter"] not in {*_SHORT, *_LIMITS, *"aAZbhBpP%nt"}:
            raise ConversionError(f"{match[0]} can't be read in a time")
    return Timestamp(spec, text)


def _letter(unit: int) -> str:
    if unit >= LITERAL and unit & 0xFF == ord("%"):
        return "%%"
    return chr(unit & 0xFF)


register("T", _timestamp)
