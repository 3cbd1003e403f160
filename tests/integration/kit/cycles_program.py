"""Take a stack up and down as often as told, and print what is left of it: `python -m tests.integration.kit.cycles_program 10`."""

import json
import os
import sys
import tempfile
import threading
from pathlib import Path

from testbeam.kit import guard
from testbeam.kit.stack import Stack
from tests.integration.kit.small_services import listener, open_descriptors, sleeper, stubborn

STACK = Stack(listener("server", own_address=True), sleeper("client", "server"), stubborn("stubborn", stop_timeout_s=0.05))


def cycle() -> str:
    """Take it up and down once, with one more service for a while; return the id of the run."""
    with STACK.run() as run:
        with run.add(listener("server")) as second:
            assert second.is_running()
        return run.id


def memory_kb() -> int:
    """Return the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def main(cycles: int) -> None:
    """Print the state before and after, and what the cycles took of memory, the first three apart."""
    threads, descriptors = threading.enumerate(), open_descriptors()
    ids = [cycle() for _ in range(3)]
    warm_kb = memory_kb()
    ids += [cycle() for _ in range(cycles - 3)]
    left = {
        "threads": [thread.name for thread in threading.enumerate() if thread not in threads],
        "descriptors": sorted(open_descriptors() ^ descriptors),
        "children": guard.descendants(os.getpid()),
        "processes": [pid for run_id in ids for pid in guard.marked(run_id)],
        "folders": [str(path) for path in Path(tempfile.gettempdir()).iterdir()],
    }
    print(json.dumps({"left": left, "grown_kb": memory_kb() - warm_kb}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
