"""A runner to be killed: brings a stack up, says so on stdout, and waits.

Usage: runner_program.py FOLDER [stubborn|plain]
"""

import json
import signal
import sys
import time
from pathlib import Path

from testbeam.kit.stack import Stack
from tests.integration.kit.small_services import listener, sleeper, stubborn

KINDS = {
    "stubborn": Stack(listener("server"), stubborn("stubborn", stop_timeout_s=60), sleeper("client", "server")),
    "plain": Stack(listener("server", after_s=0.1), listener("next", "server", after_s=0.1), sleeper("last", "next")),
}


def main(folder: Path, kind: str) -> None:
    """Run until somebody ends it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with KINDS[kind].run(folder) as run:
        said = {"guard": run.guard_pid, "watcher": run.watcher_pid, "run_id": run.id}
        (folder / "said.part").write_text(json.dumps(said))
        (folder / "said.part").rename(folder / "said")
        while True:
            time.sleep(0.05)
            run.check()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
