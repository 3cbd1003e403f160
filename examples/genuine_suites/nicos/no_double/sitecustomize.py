"""Start-up hook of Python that leaves the file-writer double of the NICOS tree idle; the stack's own file-writer takes the jobs.

Python imports it from PYTHONPATH in every process of the suite; in all but the double it does nothing.
"""

import signal
import sys

if "integration_test.doubles.filewriter" in sys.orig_argv:
    signal.pause()  # SIGTERM of the suite ends it
