"""Starts the file-writer."""

import sys

from testbeam.runtime.lean_start import load_kafka_client

if __name__ == "__main__":
    load_kafka_client()  # before anything else imports it

    from testbeam.runtime.program import run
    from testbeam.services.filewriter.service import serve
    from testbeam.services.filewriter.settings import PROG, FileWriterSettings

    sys.exit(run(PROG, FileWriterSettings, serve))
