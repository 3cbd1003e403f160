"""Import of p4p in 30 ms rather than 200.

p4p looks for its libraries with `setuptools_dso.runtime`, a small module; but the package around it imports all of setuptools. While p4p is
imported, a stand-in for that package offers the module alone. Where that does not work p4p is imported as it is.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import ModuleType

_PACKAGE = "setuptools_dso"


@contextmanager
def without_setuptools() -> Iterator[None]:
    """Keep setuptools out of what is imported within the block, unless it is there already."""
    if _PACKAGE in sys.modules:
        yield
        return
    with suppress(ImportError):
        _stand_in()
    try:
        yield
    finally:
        sys.modules.pop(_PACKAGE, None)  # whoever wants the package itself gets it


def _stand_in() -> None:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        return
    package = ModuleType(_PACKAGE)
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules[_PACKAGE] = package
    try:
        runtime = importlib.import_module(f"{_PACKAGE}.runtime")
        for name in ("dylink_prepare_dso", "find_dso"):
            setattr(package, name, getattr(runtime, name))
    except (ImportError, AttributeError):
        del sys.modules[_PACKAGE]
