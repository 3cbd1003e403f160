"""The folder with the tools that every machine has on its PATH: EPICS' own by name, systemctl and journalctl."""

import os
import shlex
import sys
from pathlib import Path

from testbeam.errors import StackError

TOOLS = ("caget", "caput", "camonitor", "cainfo", "pvget", "pvput", "pvmonitor", "pvinfo", "systemctl", "journalctl")
_MODULES = {"systemctl": "units", "journalctl": "units"}


def make(folder: Path) -> Path:
    """Write the tools into a folder; return it.

    Raises:
        StackError: its file system lets nothing be executed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    programs = Path(__file__).with_name("tools")
    for tool in TOOLS:
        program = programs / f"{_MODULES.get(tool, tool)}.py"
        path = folder / tool
        # -P would be safer, but 3.11's site must be found: the tools live in this very environment
        path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -E -s {shlex.quote(str(program))} {tool} "$@"\n')
        path.chmod(0o755)
        if not os.access(path, os.X_OK):
            raise StackError(f"nothing in {folder} can be executed (mount option noexec); point TMPDIR to a folder of another file system")
    return folder
