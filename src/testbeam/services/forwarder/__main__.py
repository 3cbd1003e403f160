"""Starts the forwarder."""

import sys

from testbeam.runtime.lean_start import postponed

if __name__ == "__main__":
    with postponed("asyncio"):  # which takes half of the time, and is for clients of a kind that we have none of
        import confluent_kafka  # noqa: F401

    from testbeam.runtime.program import run
    from testbeam.services.forwarder.service import forward
    from testbeam.services.forwarder.settings import PROG, ForwarderSettings

    sys.exit(run(PROG, ForwarderSettings, forward))
