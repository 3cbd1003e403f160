"""Starts the file-writer."""

import sys

from testbeam.runtime.lean_start import load_later

if __name__ == "__main__":
    load_later("asyncio")  # confluent_kafka imports it for clients of a kind that we don't use: 30 ms of CPU

    from testbeam.runtime.program import run
    from testbeam.services.filewriter.service import serve
    from testbeam.services.filewriter.settings import PROG, FileWriterSettings

    sys.exit(run(PROG, FileWriterSettings, serve))
