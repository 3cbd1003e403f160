"""How a program says why it ended."""

OK = 0
USAGE = 2  # argparse's own
FAILED = 3  # an error that testbeam names
CRASHED = 70  # one it did not foresee: the log has the traceback
