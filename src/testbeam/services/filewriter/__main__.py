"""Starts the file-writer."""

import sys

from testbeam.runtime.program import run
from testbeam.services.filewriter.service import serve
from testbeam.services.filewriter.settings import PROG, FileWriterSettings

if __name__ == "__main__":
    sys.exit(run(PROG, FileWriterSettings, serve))
