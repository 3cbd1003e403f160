"""Starts the cache."""

import sys

from testbeam.runtime.program import run
from testbeam.services.control.cache.service import serve
from testbeam.services.control.cache.settings import PROG, CacheSettings


def main() -> int:
    """Run the cache; return its exit code."""
    return run(PROG, CacheSettings, serve)


if __name__ == "__main__":
    sys.exit(main())
