"""One check in a process of its own: `python -m testbeam.driver SCRIPT --json FILE`."""

import sys

from testbeam.driver.program import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
