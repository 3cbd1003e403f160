"""Starts the collector."""

import sys

from testbeam.runtime.lean_start import load_kafka_client


def main() -> int:
    """Run the collector; return its exit code."""
    load_kafka_client()  # before anything else imports it

    from testbeam.runtime.program import run
    from testbeam.services.control.collector.service import collect
    from testbeam.services.control.collector.settings import PROG, CollectorSettings

    return run(PROG, CollectorSettings, collect)


if __name__ == "__main__":
    sys.exit(main())
