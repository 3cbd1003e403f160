"""Run Apache Kafka: at once where everything is in place, else after preparing it."""

import sys

from testbeam.services.broker import warm_start

if __name__ == "__main__":
    warm_start.try_start(sys.argv[1:])  # returns only where something is left to do, or to say

    from testbeam.services.broker.service import main

    sys.exit(main())
