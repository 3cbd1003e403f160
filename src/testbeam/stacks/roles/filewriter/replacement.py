"""Build of kafka-to-nexus in place of our file-writer. Source: docs/reference/contracts/filewriter.md, "Options"."""

import os
from dataclasses import replace
from pathlib import Path

from testbeam.kit.spec import Service
from testbeam.stacks.replacements import paths
from testbeam.stacks.replacements.on_kafka import command as command
from testbeam.stacks.replacements.on_kafka import external as external

_WHAT = "the folder of a build with bin/kafka-to-nexus in it, or the program itself"


def local_build(service: Service, path: Path) -> Service:
    """Return the file-writer run by a build folder's `bin/kafka-to-nexus`, or by the program at `path`.

    Libraries that the build has beside it, in `lib`, are found first.

    Raises:
        StackError: there is no such program.
    """
    program = paths.program(path, ("bin/kafka-to-nexus", "kafka-to-nexus"), _WHAT)
    libraries = program.resolve().parent.parent / "lib"
    env = dict(service.env)
    if libraries.is_dir() and any(libraries.glob("*.so*")):
        env["LD_LIBRARY_PATH"] = ":".join(filter(None, (str(libraries), os.environ.get("LD_LIBRARY_PATH"))))
    return replace(command(service, (str(program),)), env=env)
