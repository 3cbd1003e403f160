"""Starts the daemon."""

import sys

from testbeam.runtime.lean_start import load_kafka_client


def main() -> int:
    """Run the daemon; return its exit code."""
    load_kafka_client()  # before anything else imports it

    from testbeam.runtime.program import run
    from testbeam.services.control.daemon.service import serve
    from testbeam.services.control.daemon.settings import PROG, DaemonSettings

    return run(PROG, DaemonSettings, serve)


if __name__ == "__main__":
    sys.exit(main())
