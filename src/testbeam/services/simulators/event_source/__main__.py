"""How the event source starts as a program: `python -m testbeam.services.simulators.event_source --bootstrap 127.0.0.1:9092`."""

import sys

from testbeam.runtime.program import run
from testbeam.services.simulators.event_source.service import serve
from testbeam.services.simulators.event_source.settings import PROG, EventSourceSettings

if __name__ == "__main__":
    sys.exit(run(PROG, EventSourceSettings, serve))
