"""`cainfo`: says how a PV is connected."""

import sys
from collections.abc import Sequence

from testbeam.driver.tools import ca_common
from testbeam.driver.tools.ca_common import Channels
from testbeam.transport.ca.channel import CaChannel

USAGE = "Usage: cainfo [options] <PV name> ...\n\n  -h help  -w <sec> timeout"


def main(argv: Sequence[str]) -> int:
    """Print; return the exit code."""
    options = ca_common.parse(argv, {}, {"w": "wait_s", "s": "", "p": ""}, USAGE)
    if not options.words:
        print("No pv name specified. ('cainfo -h' for help.)", file=sys.stderr)
        return 1
    channels = Channels(options.wait_s)
    try:
        found = channels.find_all(options.words)
        for name, channel in found.items():
            print(_text(name, channel))
        return 0 if any(found.values()) else 1
    finally:
        channels.close()


def _text(name: str, channel: CaChannel | None) -> str:
    if channel is None:
        return f"{name}\n    State:            never connected\n    Host:             <disconnected>"
    read, write = channel.access
    kind = channel.kind.name
    return (
        f"{name}\n    State:            connected\n    Host:             {channel.server}\n"
        f"    Access:           {'' if read else 'no '}read, {'' if write else 'no '}write\n"
        f"    Native data type: DBF_{kind}\n    Request type:     DBR_{kind}\n    Element count:    {channel.count}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
