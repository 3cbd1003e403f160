"""Checkout of ess-dmsc/forwarder in place of our forwarder. Source: docs/reference/contracts/forwarder.md, "Options"."""

from pathlib import Path

from testbeam.errors import StackError
from testbeam.kit.spec import Service
from testbeam.stacks.replacements import paths
from testbeam.stacks.replacements.on_kafka import command as command
from testbeam.stacks.replacements.on_kafka import external as external

_SCRIPT = "forwarder_launch.py"
_WHAT = f"a checkout with {_SCRIPT} in it, a virtual environment in such a checkout, or {_SCRIPT} itself"
_ENVIRONMENTS = (".venv", "venv", "env")


def local_build(service: Service, path: Path) -> Service:
    """Return the forwarder run by a checkout's `forwarder_launch.py`.

    The Python is that of the virtual environment given, else of one in the checkout (`.venv`, `venv`, `env`), else ours.

    Raises:
        StackError: there is no such script.
    """
    script = _script(paths.existing(path, _WHAT))
    places = (path, *(script.parent / name for name in _ENVIRONMENTS))
    python = next((str(one / "bin" / "python") for one in places if (one / "bin" / "python").exists()), "${python}")
    return command(service, (python, str(script)))


def _script(path: Path) -> Path:
    if path.is_file():
        return path
    for folder in (path, path.parent):  # a virtual environment lies within its checkout
        if (folder / _SCRIPT).is_file():
            return folder / _SCRIPT
    raise StackError(f"there is no {_SCRIPT} in {path}; give {_WHAT}")
