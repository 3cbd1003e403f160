"""`pvmonitor`: prints every change of PVs until it is interrupted."""

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import Any

from testbeam.driver.tools import pva_common

USAGE = "Usage: pvmonitor [options] <PV name> ...\n\n  -h help  -r <request>"


def main(argv: Sequence[str]) -> int:
    """Print until interrupted; return the exit code."""
    options, names = pva_common.parse(argv, "qdvt", USAGE)
    if not names:
        print("No pv name(s) specified. ('pvmonitor -h' for help.)", file=sys.stderr)
        return 1
    client = pva_common.context()
    try:
        with ExitStack() as owned:
            request = options.get("r", "field()")
            subscriptions = {name: owned.enter_context(closing(client.monitor(name, lambda: None, request=request))) for name in names}
            _follow(subscriptions)
    except KeyboardInterrupt:
        pass
    finally:
        client.close()
    return 0


def _follow(subscriptions: dict[str, Any]) -> None:
    while True:
        for name, subscription in subscriptions.items():
            while (update := subscription.pop()) is not None:
                if isinstance(update, Exception):
                    print(f"{name} <Disconnect>", flush=True)
                else:
                    print(pva_common.line(name, update), flush=True)
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
