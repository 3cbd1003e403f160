"""A runner to be killed, with one service in a container of the engine that answers. Usage: container_runner.py FOLDER."""

import sys
import time
from pathlib import Path

from testbeam.kit.containers import engine
from testbeam.kit.containers.container import in_container
from testbeam.kit.containers.engine_commands import Container
from testbeam.kit.stack import Stack

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    service = in_container("box", Container(image="any", engine=engine.find()), arguments=("sleep", "1000"))
    with Stack(service).run(folder) as run:
        (folder / "said").write_text(run.id)
        while True:
            time.sleep(0.05)
            run.check()
