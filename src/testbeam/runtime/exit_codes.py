"""Exit codes of programs."""

OK = 0
USAGE = 2  # argparse's own
FAILED = 3  # an error that testbeam names
CRASHED = 70  # one it did not foresee: the log has the traceback
NOT_EXECUTABLE = 126  # as shells say it of a command
NOT_FOUND = 127
INTERRUPTED = 130  # by Ctrl-C
