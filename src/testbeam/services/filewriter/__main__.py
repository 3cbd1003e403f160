"""Starts the file-writer."""

import sys

from testbeam.runtime.lean_start import postponed

if __name__ == "__main__":
    with postponed("asyncio"):  # which takes half of the time, and is for clients of a kind that we have none of
        import confluent_kafka  # noqa: F401

    from testbeam.runtime.program import run
    from testbeam.services.filewriter.service import serve
    from testbeam.services.filewriter.settings import PROG, FileWriterSettings

    sys.exit(run(PROG, FileWriterSettings, serve))
