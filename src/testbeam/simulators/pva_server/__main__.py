"""Starts the PVA server."""

import sys

from testbeam.runtime.program import run
from testbeam.simulators.pva_server.service import serve
from testbeam.simulators.pva_server.settings import PROG, PvaServerSettings

if __name__ == "__main__":
    sys.exit(run(PROG, PvaServerSettings, serve))
