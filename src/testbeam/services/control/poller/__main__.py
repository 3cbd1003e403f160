"""Starts the poller."""

import sys

from testbeam.runtime.lean_start import load_kafka_client


def main() -> int:
    """Run the poller; return its exit code."""
    load_kafka_client()  # before anything else imports it

    from testbeam.runtime.program import run
    from testbeam.services.control.poller.service import poll
    from testbeam.services.control.poller.settings import PROG, PollerSettings

    return run(PROG, PollerSettings, poll)


if __name__ == "__main__":
    sys.exit(main())
