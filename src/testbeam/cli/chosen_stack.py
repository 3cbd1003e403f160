"""The stack that a command is about: named, of the folder's own testbeam.toml, or the only one that is up.

Without the library for command lines, since `testbeam env` is to be quick.
"""

import os
from pathlib import Path

from testbeam.errors import StackError
from testbeam.hosting import registry
from testbeam.hosting.registry import Entry
from testbeam.stacks.client_variables import STACK
from testbeam.stacks.toml import file as toml_file


def chosen(name: str = "") -> Entry:
    """Return the stack of this name or id; without one as `meant`.

    Raises:
        StackError: no stack, or not just one, is meant.
    """
    return registry.find((name,))[0] if name else meant()


def meant(file: Path | None = None, *, starting: bool = False) -> Entry:
    """Return the stack of a testbeam.toml: that of `file`; without one that of `by_surroundings`, or the only one that is up.

    starting: take in those that are not ready yet.

    Raises:
        StackError: no stack is up, or there are several and nothing says which.
    """
    found = _of_file(toml_file.located(file), starting=starting) if file is not None else by_surroundings(starting=starting)
    if found is None and file is not None:
        raise StackError(f"no stack of {toml_file.located(file)} is up; start it: testbeam up --detach {file}")
    return found or registry.find(starting=starting)[0]


def by_surroundings(*, starting: bool = False) -> Entry | None:
    """Return the stack that TESTBEAM_STACK names, or that of this folder's own testbeam.toml; None where neither says one that is up.

    Raises:
        StackError: TESTBEAM_STACK names one that is not up, or several stacks of the file are.
    """
    if os.environ.get(STACK):
        return registry.find((os.environ[STACK],), starting=starting)[0]
    own = toml_file.find()
    return None if own is None else _of_file(own, starting=starting)


def _of_file(file: Path, *, starting: bool = False) -> Entry | None:
    found = [entry for entry in registry.entries(starting=starting) if not entry.session and entry.file == str(file)]
    if len(found) > 1:
        raise registry.several(found)
    return found[0] if found else None
