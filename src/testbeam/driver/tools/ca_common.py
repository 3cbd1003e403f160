"""Parts that the Channel Access tools share: options, finding a PV, printing values.

Source: the manual pages of caget, caput, camonitor and cainfo of EPICS base 7, and what they print.
"""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from testbeam.errors import PvMissing, TestbeamError
from testbeam.model.deadline import Deadline
from testbeam.model.time import NS_PER_S
from testbeam.transport.ca.channel import CaChannel
from testbeam.transport.ca.client import CaClient
from testbeam.transport.epics_environment import CA_PORT
from testbeam.wire.channel_access.values import DbrValue, FieldType, Form

SEVERITIES = ("NO_ALARM", "MINOR", "MAJOR", "INVALID")
DEFAULT_WAIT_S = 1.0
_SEARCH_S = 0.05
_ESCAPES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"', 39: "\\'", 92: "\\\\"}


@dataclass(slots=True)
class Options:
    """The options that these tools have in common."""

    wait_s: float = DEFAULT_WAIT_S
    terse: bool = False
    wide: bool = False
    numbers: bool = False  # enums as numbers
    strings: bool = False  # ask the server for strings
    characters: bool = False  # arrays of characters as strings
    count: int = 0
    float_format: str = "%g"
    integer_format: str = ""
    separator: str = " "
    callback: bool = False
    long_form: bool = False
    array: bool = False
    dbr: str = ""
    words: list[str] = field(default_factory=list)


def addresses() -> list[tuple[str, int]]:
    """Return where PVs are looked for: addresses with ports."""
    listed = os.environ.get("EPICS_CA_ADDR_LIST", "").split() or ["127.0.0.1"]
    usual = os.environ.get("EPICS_CA_SERVER_PORT", "")
    parts = [entry.partition(":") for entry in listed]
    return [(host, int(port or usual or CA_PORT)) for host, _, port in parts]


class Channels:
    """Finds PVs on the addresses of the environment."""

    def __init__(self, wait_s: float) -> None:
        self._deadline = Deadline(wait_s)
        self._clients = [CaClient(address, port) for address, port in addresses()]

    def find(self, name: str) -> CaChannel | None:
        """Return the channel of a PV, or None where no server has it within the time."""
        while True:
            missing = 0
            for client in self._clients:
                try:
                    return client.channel(name, _SEARCH_S if len(self._clients) > 1 else max(min(self._deadline.left_s, 0.2), _SEARCH_S))
                except PvMissing:
                    missing += 1
                except TestbeamError:
                    continue
            if missing == len(self._clients) or self._deadline.passed:
                return None
            time.sleep(0.01)

    def find_all(self, names: Sequence[str]) -> dict[str, CaChannel | None]:
        """Return the channels of PVs, and say on standard error which were not found."""
        found = {name: self.find(name) for name in names}
        missing = [name for name, channel in found.items() if channel is None]
        if missing:
            what = f"'{missing[0]}'" if len(found) == 1 else "some PV(s)"
            print(f"Channel connect timed out: {what} not found.", file=sys.stderr)
        return found

    def close(self) -> None:
        """End all connections."""
        for client in self._clients:
            client.close()


def name_column(name: str, options: Options) -> str:
    """Return the first column."""
    return f"{name:<30}" if options.separator == " " else name


def shown(channel: CaChannel, value: DbrValue, choices: tuple[str, ...], options: Options) -> str:
    """Return a value as the tools print it: an array behind its number of elements."""
    elements = value.elements
    if channel.kind is FieldType.CHAR and options.characters and channel.count > 1:
        return escaped(bytes(int(code) & 0xFF for code in elements).partition(b"\0")[0])
    texts = [element(one, choices, options) for one in elements]
    if channel.count > 1 or len(elements) != 1:
        return options.separator.join([str(len(elements)), *texts])
    return texts[0]


def element(value: object, choices: tuple[str, ...], options: Options) -> str:
    """Return one element."""
    if isinstance(value, str):
        return escaped(value.encode())
    if isinstance(value, float):
        return _real(value, options)
    assert isinstance(value, int)
    if choices and not options.numbers and 0 <= value < len(choices):
        return choices[value]
    if options.integer_format:
        return {"x": f"0x{value & 0xFFFFFFFF:X}", "o": f"0o{value & 0xFFFFFFFF:o}", "b": f"0b{value & 0xFFFFFFFF:b}"}[
            options.integer_format
        ]
    return str(value)


def _real(value: float, options: Options) -> str:
    if options.long_form and options.integer_format == "" and options.float_format == "round":
        return str(round(value))
    return str(options.float_format % value).replace("nan", "nan").replace("inf", "inf")


def escaped(raw: bytes) -> str:
    """Return a string with what can't be printed in C's notation."""
    return "".join(_ESCAPES.get(code) or (chr(code) if 0x20 <= code < 0x7F else f"\\x{code:02x}") for code in raw)


def stamp(value: DbrValue) -> str:
    """Return a value's time."""
    if not value.timestamp_ns:
        return "<undefined>"
    seconds, nanoseconds = divmod(value.timestamp_ns, NS_PER_S)
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(seconds))}.{nanoseconds // 1000:06d}"


def alarm(value: DbrValue, separator: str = " ") -> str:
    """Return status and severity, blank without alarm."""
    from testbeam.wire.channel_access.names import alarm_status

    if not value.status and not value.severity:
        return f"{separator}{separator}"
    return f"{separator}{alarm_status(value.status)}{separator}{SEVERITIES[value.severity] if value.severity < 4 else value.severity}"


def choices_of(channel: CaChannel, options: Options) -> tuple[str, ...]:
    """Return the strings of an enum."""
    if channel.kind is not FieldType.ENUM or options.numbers:
        return ()
    return channel.value_as(channel.kind, Form.CTRL, 1, options.wait_s).choices


def parse(argv: Sequence[str], flags: dict[str, str], valued: dict[str, str], usage: str, version: str = "testbeam's") -> Options:
    """Return the options of a command line in the manner of getopt; wrong ones end the program with 1, as the tools do."""
    options, words = Options(), list(argv)
    while words and words[0].startswith("-") and len(words[0]) > 1 and not _is_number(words[0]):
        word = words.pop(0)
        if word in ("-h", "--help"):
            print(usage)
            sys.exit(0)
        if word == "-V":
            print(f"{version} Channel Access tools, in place of those of EPICS base 7")
            sys.exit(0)
        _option(options, word[1], word[2:], words, flags, valued, usage)
    options.words = words
    return options


def _option(options: Options, letter: str, rest: str, words: list[str], flags: dict[str, str], valued: dict[str, str], usage: str) -> None:
    if letter in flags:
        setattr(options, flags[letter], True)
        if rest:
            _option(options, rest[0], rest[1:], words, flags, valued, usage)
    elif letter in valued:
        value = rest or (words.pop(0) if words else "")
        _set(options, letter, valued[letter], value, usage)
    else:
        print(f"Unrecognized option: '-{letter}'. ('-h' for help.)", file=sys.stderr)
        sys.exit(1)


def _set(options: Options, letter: str, name: str, value: str, usage: str) -> None:
    try:
        if name == "wait_s":
            options.wait_s = float(value)
        elif name == "count":
            options.count = int(value)
        elif name == "float_format":
            options.float_format = f"%.{int(value)}{letter}"
        elif name == "integer_format":
            options.integer_format = {"x": "x", "o": "o", "b": "b"}[value[:1]]
        elif name:
            setattr(options, name, value)
    except (ValueError, KeyError):
        print(f"'{value}' is not a valid value for option '-{letter}'. ('-h' for help.)\n{usage}", file=sys.stderr)
        sys.exit(1)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
