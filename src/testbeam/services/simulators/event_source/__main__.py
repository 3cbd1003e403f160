"""How the event source starts as a program: `python -m testbeam.services.simulators.event_source --bootstrap 127.0.0.1:9092`."""

import sys

from testbeam.runtime.lean_start import load_later

if __name__ == "__main__":
    load_later("asyncio")  # confluent_kafka imports it for clients of a kind that we don't use: 30 ms of CPU

    from testbeam.runtime.program import run
    from testbeam.services.simulators.event_source.service import serve
    from testbeam.services.simulators.event_source.settings import PROG, EventSourceSettings

    sys.exit(run(PROG, EventSourceSettings, serve))
