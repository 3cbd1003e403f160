"""The package names, as a dependency or in an extra, every other package that its code imports."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported() -> dict[str, str]:
    """Return the modules that the package imports, each with one file that does."""
    return {name: str(file.relative_to(ROOT)) for file in (ROOT / "src").rglob("*.py") for name in _modules(ast.parse(file.read_text()))}


def _modules(tree: ast.Module) -> Iterator[str]:
    for one in ast.walk(tree):
        if isinstance(one, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in one.names)
        elif isinstance(one, ast.ImportFrom) and not one.level:
            yield (one.module or "").partition(".")[0]


def test_every_package_that_is_imported_is_named() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    declared = {normal(re.split(r"[^\w.-]", one)[0]) for one in named}
    theirs = {name: file for name, file in imported().items() if name not in sys.stdlib_module_names | {"testbeam"}}
    homes = packages_distributions()

    assert len(theirs) > 10
    assert {name: file for name, file in theirs.items() if not declared & set(map(normal, homes.get(name, [])))} == {}
