"""Starts the fake: `python -m testbeam.simulators.fake_logdata --bootstrap 127.0.0.1:9092`."""

import sys

from testbeam.runtime.lean_start import load_kafka_client

if __name__ == "__main__":
    load_kafka_client()  # before anything else imports it

    from testbeam.runtime.program import run
    from testbeam.simulators.fake_logdata.service import PROG, Settings, serve

    sys.exit(run(PROG, Settings, serve))
