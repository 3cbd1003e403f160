"""How the event source starts as a program: `python -m testbeam.services.simulators.event_source --bootstrap 127.0.0.1:9092`."""

import sys

from testbeam.runtime.lean_start import postponed

if __name__ == "__main__":
    with postponed("asyncio"):  # which takes half of the time, and is for clients of a kind that we have none of
        import confluent_kafka  # noqa: F401

    from testbeam.runtime.program import run
    from testbeam.services.simulators.event_source.service import serve
    from testbeam.services.simulators.event_source.settings import PROG, EventSourceSettings

    sys.exit(run(PROG, EventSourceSettings, serve))
