"""EPICS libraries of the PyPI wheels, and what to do where there are none.

The wheels' own `path` modules import setuptools; the folders are all that is needed here.
"""

import importlib.util
import platform
import sys
from pathlib import Path

from testbeam.errors import StackError

PACKAGES = ("epicscorelibs", "pvxslibs")


def folder(package: str) -> Path:
    """Return the folder of a package, without importing it.

    Raises:
        StackError: it is not installed; names the extra to install and the platforms that have wheels.
    """
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise missing(package)
    return Path(found.submodule_search_locations[0])


def missing(package: str) -> StackError:
    """Return the error for a package of the extra that is not there."""
    return StackError(
        f"the package {package} is not installed, and EPICS needs it; install testbeam[ioc]. "
        f"Wheels of EPICS base exist for Linux on x86-64 with glibc; this is {sys.platform} on {platform.machine()}, "
        f"Python {platform.python_version()}"
    )


def require() -> None:
    """Check that every package an IOC needs is there.

    Raises:
        StackError: one is missing.
    """
    for package in PACKAGES:
        folder(package)
