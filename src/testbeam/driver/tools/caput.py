"""`caput`: writes a PV by Channel Access and prints it before and after."""

import sys
from collections.abc import Sequence

from testbeam.driver.tools import ca_common, caget
from testbeam.driver.tools.ca_common import Channels, Options
from testbeam.errors import TestbeamError
from testbeam.model.deadline import Deadline
from testbeam.transport.ca.channel import CaChannel
from testbeam.wire.channel_access.values import FieldType
from testbeam.wire.pv_reading import Scalar

USAGE = (
    "Usage: caput [options] <PV name> <PV value>\n       caput -a [options] <PV name> <no of elements> <PV value> ...\n\n"
    "  -h help  -w <sec> timeout  -c wait for completion  -t print the new value only  -l long output  -n number of an enum\n"
    "  -s string of an enum  -S string into an array of characters  -a array"
)
FLAGS = {"c": "callback", "t": "terse", "l": "wide", "n": "numbers", "s": "strings", "S": "characters", "a": "array"}
VALUED = {"w": "wait_s", "p": "", "F": "separator", "#": "count"}


def main(argv: Sequence[str]) -> int:
    """Write and print; return the exit code."""
    options = ca_common.parse(argv, FLAGS, VALUED, USAGE)
    name, *values = options.words or [""]
    values = values[1:] if options.array else [" ".join(values)][: len(values)]  # without -a the words are one value
    if not name or not values:
        print("No pv name specified. ('caput -h' for help.)" if not name else "No value specified. ('caput -h' for help.)", file=sys.stderr)
        return 1
    channels = Channels(options.wait_s)
    try:
        channel = channels.find_all([name])[name]
        if channel is None:
            return 1
        return _put(name, channel, values, options)
    finally:
        channels.close()


def _put(name: str, channel: CaChannel, values: list[str], options: Options) -> int:
    if not channel.access[1]:
        print(f"Write access denied: '{name}'", file=sys.stderr)
        return 1
    shown = Options(wait_s=options.wait_s, wide=options.wide, characters=options.characters, separator=options.separator)
    try:
        if not options.terse:
            print(f"Old : {caget.line(name, channel, shown)}")
        converted = _converted(channel, values, options)
        if converted is None:
            return 1
        code = _write(channel, *converted, options)
        if code == 0:
            after = Options(wait_s=options.wait_s, wide=options.wide, characters=options.characters, terse=options.terse)
            print(f"{'' if options.terse else 'New : '}{caget.line(name, channel, after)}")
    except TestbeamError as error:
        print(error, file=sys.stderr)
        return 1
    return code


def _write(channel: CaChannel, kind: FieldType, elements: Sequence[Scalar], options: Options) -> int:
    """Write; what the server refuses is said, and is no failure unless its completion is waited for (-c), as in EPICS' own tool."""
    deadline = Deadline(options.wait_s)
    try:
        channel.write_as(kind, elements, wait=True, within_s=options.wait_s)
    except TestbeamError as error:
        if deadline.passed:  # it has not been refused, but not answered
            if not options.callback:
                return 0
            print("Write callback operation timed out", file=sys.stderr)
            return 1
        print(f"CA.Client.Exception: Channel write request failed: {error}", file=sys.stderr)
        return 1 if options.callback else 0
    return 0


def _converted(channel: CaChannel, values: list[str], options: Options) -> tuple[FieldType, list[Scalar]] | None:
    """Return values in the type they are sent in, or None where that can't be; which is said."""
    if channel.kind is FieldType.ENUM:
        return _enum(channel, values, options)
    if channel.kind is FieldType.CHAR and options.characters and channel.count > 1:
        raw = values[0].encode("utf-8").decode("unicode_escape").encode("latin-1", "replace")
        return FieldType.CHAR, [*raw, 0][: channel.count]
    if options.array and channel.kind is not FieldType.STRING:
        try:
            return FieldType.DOUBLE, [float(value) for value in values]
        except ValueError:
            return FieldType.STRING, list(values)
    return FieldType.STRING, list(values if options.array else values[:1])


def _enum(channel: CaChannel, values: list[str], options: Options) -> tuple[FieldType, list[Scalar]] | None:
    choices = ca_common.choices_of(channel, Options(wait_s=options.wait_s))
    numbers: list[Scalar] = []
    for value in values:
        if value in choices and not options.numbers:
            numbers.append(choices.index(value))
        elif value.isdigit() and not options.strings:
            numbers.append(int(value))
        else:
            print(f"Enum string value '{value}' invalid.", file=sys.stderr)
            return None
    return FieldType.SHORT, numbers


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
