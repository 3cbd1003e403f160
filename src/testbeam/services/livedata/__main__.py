"""Starts a live-data worker: `python -m testbeam.services.livedata --bootstrap 127.0.0.1:9092`."""

import sys

from testbeam.runtime.lean_start import load_kafka_client

if __name__ == "__main__":
    load_kafka_client()  # before anything else imports it

    from testbeam.runtime.program import run
    from testbeam.services.livedata.service import serve
    from testbeam.services.livedata.settings import PROG, LivedataSettings

    sys.exit(run(PROG, LivedataSettings, serve))
