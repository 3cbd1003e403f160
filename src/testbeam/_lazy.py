"""Lazy names of a package or module: each is imported from where it is defined when it is first asked for.

This and the faces are imported by every program of the package, so they import nothing themselves, not even typing (8 ms).
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


def attach(face: str, names: "Mapping[str, tuple[str, ...]]") -> "tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]":
    """Return `__getattr__`, `__dir__` and `__all__` of the module `face`.

    names: defining module → names in it; a module that is itself a name of the face stands with no names, `{"testbeam.reference": ()}`.
    """
    modules = {module.rpartition(".")[2] for module, of_module in names.items() if not of_module}
    where = {name: module for module, of_module in names.items() for name in of_module or (module.rpartition(".")[2],)}

    def get(name: str) -> "Any":
        if name not in where:
            raise AttributeError(f"module {face!r} has no attribute {name!r}")
        __import__(where[name])
        module = sys.modules[where[name]]
        value = module if name in modules else getattr(module, name)
        setattr(sys.modules[face], name, value)  # asked for once only
        return value

    return get, lambda: sorted({*vars(sys.modules[face]), *where}), sorted(where)
