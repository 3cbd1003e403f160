"""Starts the forwarder."""

import sys

from testbeam.runtime.lean_start import load_later

if __name__ == "__main__":
    load_later("asyncio")  # confluent_kafka imports it for clients of a kind that we don't use: 30 ms of CPU

    from testbeam.runtime.program import run
    from testbeam.services.forwarder.service import forward
    from testbeam.services.forwarder.settings import PROG, ForwarderSettings

    sys.exit(run(PROG, ForwarderSettings, forward))
