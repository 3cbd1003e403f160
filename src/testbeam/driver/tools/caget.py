"""`caget`: reads PVs by Channel Access."""

import sys
from collections.abc import Sequence

from testbeam.driver.tools import ca_common
from testbeam.driver.tools.ca_common import Channels, Options
from testbeam.errors import TestbeamError
from testbeam.transport.ca.channel import CaChannel
from testbeam.wire.channel_access.values import FieldType, Form

USAGE = (
    "Usage: caget [options] <PV name> ...\n\n  -h help  -w <sec>  -t terse  -a wide  -n enums as numbers  -s strings of the server\n"
    "  -S arrays of characters as strings  -# <n> elements  -d <type>  -e|-f|-g <n> format  -0x|-0o|-0b  -F <sep>"
)
FLAGS = {"t": "terse", "a": "wide", "n": "numbers", "s": "strings", "S": "characters", "c": "callback"}
VALUED = {"w": "wait_s", "#": "count", "d": "dbr", "0": "integer_format", "F": "separator", "p": "", "l": "integer_format"}
VALUED |= dict.fromkeys("efg", "float_format")


def main(argv: Sequence[str]) -> int:
    """Read and print; return the exit code."""
    options = ca_common.parse(argv, FLAGS, VALUED, USAGE)
    if not options.words:
        print("No pv name specified. ('caget -h' for help.)", file=sys.stderr)
        return 1
    channels = Channels(options.wait_s)
    try:
        found = channels.find_all(options.words)
        if not any(found.values()):
            return 1
        return max(_print(name, channel, options) for name, channel in found.items())
    finally:
        channels.close()


def _print(name: str, channel: CaChannel | None, options: Options) -> int:
    if channel is None:
        print(f"{ca_common.name_column(name, options)} *** Not connected (PV not found)")
        return 0
    try:
        print(line(name, channel, options))
    except TestbeamError as error:
        print(f"{ca_common.name_column(name, options)} *** no data available ({error})")
        return 1
    return 0


def line(name: str, channel: CaChannel, options: Options) -> str:
    """Return what is printed of one PV."""
    kind = FieldType.STRING if options.strings or "STRING" in options.dbr.upper() else channel.kind
    value = channel.value_as(kind, Form.TIME, options.count, options.wait_s)
    text = ca_common.shown(channel, value, ca_common.choices_of(channel, options) if kind is FieldType.ENUM else (), options)
    if options.dbr:
        return block(name, channel, value.elements, text)
    if options.wide:
        gap = options.separator
        return f"{ca_common.name_column(name, options)}{gap}{ca_common.stamp(value)}{gap}{text}{ca_common.alarm(value, gap)}"
    return text if options.terse else f"{ca_common.name_column(name, options)}{options.separator}{text}"


def block(name: str, channel: CaChannel, elements: Sequence[object], text: str) -> str:
    """Return the long form that `-d` asks for."""
    kind = channel.kind.name
    return f"{name}\n    Native data type: DBF_{kind}\n    Element count:    {len(elements)}\n    Value:            {text}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
