"""Paths that a user gives to be run in place of ours: whether each is there, and what is needed to run it."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from testbeam.errors import StackError
from testbeam.kit.spec import Probe, Service


def existing(path: Path, what: str) -> Path:
    """Return a path that is there.

    Raises:
        StackError: it is not; `what` says what is expected there.
    """
    if not path.exists():
        raise StackError(f"there is no {path}; give {what}")
    return path


def program(path: Path, within: Sequence[str], what: str) -> Path:
    """Return an executable file: the path itself, or the first of `within` in a folder.

    Raises:
        StackError: nothing is there, or it can't be executed.
    """
    if existing(path, what).is_dir():
        found = next((path / one for one in within if (path / one).is_file()), None)
        if found is None:
            raise StackError(f"there is no {' or '.join(within) or 'program'} in {path}; give {what}")
        path = found
    if not os.access(path, os.X_OK):
        raise StackError(f"{path} is not executable; chmod +x it, or give {what}")
    return path


def words(given: Sequence[str], here: Path) -> tuple[str, ...]:
    """Return the words of a command whose program is there; a relative one is looked for in the folder `here`.

    Raises:
        StackError: the command is empty, or its program is not there or can't be executed.
    """
    if not given:
        raise StackError("the command is empty; give the program and its options")
    first = given[0]
    if first.startswith("${"):
        return tuple(given)
    if "/" in first:
        first = str(program(here / Path(first).expanduser(), (), "the path of a program"))
    elif shutil.which(first) is None:
        raise StackError(f"there is no program {first!r} in PATH; install it, or give its path")
    return (first, *given[1:])


def elsewhere(service: Service, endpoints: dict[str, str], ready: Probe | None) -> Service:
    """Return the service as one that runs already: nothing is started, written or held for it."""
    return replace(
        service,
        external=True,
        command=(),
        prepare=(),
        ports=(),
        env={},
        files={},
        own_address=False,
        endpoints=endpoints,
        ready=ready,
    )


def host_and_port(text: str, default_port: int = 0) -> tuple[str, int]:
    """Return the parts of HOST:PORT; HOST alone will do where there is a usual port.

    Raises:
        StackError: it is not of that form.
    """
    host, colon, port = text.rpartition(":") if ":" in text else (text, "", "")
    if host and port.isdecimal() and 0 < int(port) < 1 << 16:
        return host, int(port)
    if host and not colon and default_port:
        return host, default_port
    raise StackError(f"{text!r} is not {'HOST or ' if default_port else ''}HOST:PORT, such as localhost:{default_port or 9092}")
