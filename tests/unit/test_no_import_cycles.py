"""No circle of files anywhere in the package: read from the syntax trees, type-only imports and those within functions counted."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"
LAZY_FACES = {
    "testbeam",
    "testbeam.devices",
    "testbeam.faults",
    "testbeam.probes",
}  # they import by name when a name is used, and nothing of ours needs them


def modules(root: Path) -> dict[str, Path]:
    """Return every module below a folder by its dotted name."""
    found = {}
    for path in root.rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(tree: ast.AST, package: str, known: dict[str, Path]) -> Iterator[str]:
    """Yield the modules that a syntax tree imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) + 1 - node.level]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            for alias in node.names:
                yield f"{module}.{alias.name}" if f"{module}.{alias.name}" in known else module


def arrows(known: dict[str, Path]) -> dict[str, set[str]]:
    """Return which modules each imports; a module of ours that comes with another's package does not count."""
    found = {}
    for name, path in known.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found[name] = {one for one in imported(tree, package, known) if one in known and one != name} - LAZY_FACES
    return found


def circles(graph: dict[str, set[str]]) -> list[frozenset[str]]:
    """Return circles until none is left, each time without one arrow of the last."""
    left, found = {name: set(needs) for name, needs in graph.items()}, []
    while True:
        try:
            TopologicalSorter(left).prepare()
        except CycleError as error:
            circle = error.args[1]
            found.append(frozenset(circle))
            left[circle[1]].discard(circle[0])
        else:
            return found


def test_no_files_import_each_other_in_a_circle() -> None:
    found = circles(arrows(modules(SRC)))

    assert [sorted(circle) for circle in found] == []


@pytest.mark.parametrize(
    "back", ["import a", "from a import x", "if TYPE_CHECKING:\n    from a import x", "def f():\n    from a import x", "import b, a as c"]
)
def test_a_circle_is_found_however_it_is_written(tmp_path: Path, back: str) -> None:
    (tmp_path / "a.py").write_text("import b\n")
    (tmp_path / "b.py").write_text(back + "\n")

    assert circles(arrows(modules(tmp_path))) == [frozenset({"a", "b"})]


def test_a_relative_import_closes_a_circle_too(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "__init__.py").touch()
    (tmp_path / "p" / "a.py").write_text("from . import b\n")
    (tmp_path / "p" / "b.py").write_text("from .a import x\n")

    assert circles(arrows(modules(tmp_path))) == [frozenset({"p.a", "p.b"})]


def test_files_in_a_row_are_no_circle(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import b, c\n")
    (tmp_path / "b.py").write_text("import c\n")
    (tmp_path / "c.py").write_text("import os\n")

    assert circles(arrows(modules(tmp_path))) == []
