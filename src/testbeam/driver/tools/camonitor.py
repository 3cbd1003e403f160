"""`camonitor`: prints every change of PVs until it is interrupted."""

import sys
import time
from collections.abc import Sequence

from testbeam.driver.tools import ca_common, caget
from testbeam.driver.tools.ca_common import Channels, Options
from testbeam.errors import TestbeamError
from testbeam.model.deadline import Deadline
from testbeam.transport.ca.channel import CaChannel, Subscription
from testbeam.wire.channel_access.names import ALARM_STATUS
from testbeam.wire.channel_access.values import DbrValue
from testbeam.wire.pv_reading import Reading, Scalar

USAGE = (
    "Usage: camonitor [options] <PV name> ...\n\n"
    "  -h help  -w <sec> timeout  -n enums as numbers  -S arrays of characters as strings  -# <n> elements"
)


def main(argv: Sequence[str]) -> int:
    """Print until interrupted; return the exit code."""
    options = ca_common.parse(argv, caget.FLAGS, {**caget.VALUED, "m": "", "t": ""}, USAGE)
    if not options.words:
        print("No pv name specified. ('camonitor -h' for help.)", file=sys.stderr)
        return 1
    channels = Channels(options.wait_s)
    try:
        _follow(channels, options)
    except KeyboardInterrupt:
        pass
    finally:
        channels.close()
    return 0


def _follow(channels: Channels, options: Options) -> None:
    watched: dict[str, Subscription] = {}
    told: set[str] = set()
    while True:
        for name in options.words:
            if name not in watched:
                _look_for(name, channels, watched, told, options)
        for name, subscription in tuple(watched.items()):
            try:
                for reading in subscription.take(Deadline(0.05)):
                    _print(name, subscription.channel, reading, options)
            except TestbeamError:
                print(f"{ca_common.name_column(name, options)} *** disconnected", flush=True)
                del watched[name]
        if not watched:
            time.sleep(0.1)


def _look_for(name: str, channels: Channels, watched: dict[str, Subscription], told: set[str], options: Options) -> None:
    channel = channels.find(name)
    if channel is not None:
        watched[name] = channel.subscription(options.wait_s)
    elif name not in told:
        told.add(name)
        print(f"{ca_common.name_column(name, options)} *** Not connected (PV not found)", flush=True)


def _print(name: str, channel: CaChannel, reading: Reading, options: Options) -> None:
    elements: tuple[Scalar, ...] = tuple(reading.value) if isinstance(reading.value, list) else (reading.value,)
    status = ALARM_STATUS.index(reading.status) if reading.status in ALARM_STATUS else 0
    value = DbrValue(elements=elements, status=status, severity=reading.severity, timestamp_ns=reading.timestamp_ns)
    text = ca_common.shown(channel, value, () if options.numbers else reading.choices, options)
    print(f"{ca_common.name_column(name, options)} {ca_common.stamp(value)} {text}{ca_common.alarm(value)}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
