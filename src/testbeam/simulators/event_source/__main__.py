"""Entry of the event source program: `python -m testbeam.simulators.event_source --bootstrap 127.0.0.1:9092`."""

import sys

from testbeam.runtime.lean_start import load_kafka_client

if __name__ == "__main__":
    load_kafka_client()  # before anything else imports it

    from testbeam.runtime.program import run
    from testbeam.simulators.event_source.service import serve
    from testbeam.simulators.event_source.settings import PROG, EventSourceSettings

    sys.exit(run(PROG, EventSourceSettings, serve))
