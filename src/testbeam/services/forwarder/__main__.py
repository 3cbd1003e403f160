"""Starts the forwarder."""

import sys

from testbeam.runtime.lean_start import load_kafka_client

if __name__ == "__main__":
    load_kafka_client()  # before anything else imports it

    from testbeam.runtime.program import run
    from testbeam.services.forwarder.service import forward
    from testbeam.services.forwarder.settings import PROG, ForwarderSettings

    sys.exit(run(PROG, ForwarderSettings, forward))
