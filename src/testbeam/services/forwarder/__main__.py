"""Starts the forwarder."""

import sys

from testbeam.runtime.program import run
from testbeam.services.forwarder.service import forward
from testbeam.services.forwarder.settings import PROG, ForwarderSettings

if __name__ == "__main__":
    sys.exit(run(PROG, ForwarderSettings, forward))
