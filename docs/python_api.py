"""The page docs/reference/python-api.md, made from the public faces and the docstrings; `python docs/python_api.py` writes it anew.

Read from the syntax trees, so that it is the same on every Python and nothing is imported.
"""

import ast
import copy
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "python-api.md"
FACES = (
    "testbeam",
    "testbeam.clients",
    "testbeam.clients.livedata",
    "testbeam.probes",
    "testbeam.devices",
    "testbeam.faults",
    "testbeam.nexus",
    "testbeam.audit",
    "testbeam.kafkatools",
)

_LONG = 100  # characters that a signature may have on one line

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Definition: TypeAlias = Function | ast.ClassDef | ast.Assign | ast.AnnAssign

HEAD = """# Python API

What may be imported: these names, from these modules. Nothing is imported before a name is used. Everything else may change without notice.
Seconds are `within_s`; what does not come true in that time raises `WaitTimeout`, which says what was seen last.

Authors of device simulators find `Device` and `command` in `testbeam.simulators.devices`, those of suites `shared_run` in
`testbeam.pytest_plugin`.

This page is made by `python docs/python_api.py`.
"""


def page() -> str:
    """Return the whole page."""
    return HEAD + "".join(f"\n## `{face}`\n{_intro(face)}\n{''.join(_entries(face))}" for face in FACES)


def names_of(face: str) -> dict[str, str]:
    """Return the names of a face, each with the module that defines it ("" for the module of that name itself)."""
    table = next(one.value for one in _tree(face).body if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "_NAMES")
    found = ast.literal_eval(table)
    return {name: module for module, names in found.items() for name in names or (f"{module.rpartition('.')[2]}",)}


def _intro(face: str) -> str:
    return (ast.get_docstring(_tree(face)) or "").partition("\n")[0]


def _entries(face: str) -> Iterator[str]:
    for name, module in sorted(names_of(face).items(), key=lambda item: item[0].lower()):
        if module.rpartition(".")[2] == name and _file(module):
            yield from _module_entry(name, module)
        else:
            yield from _entry(name, _definition(module, name), module)


def _module_entry(name: str, module: str) -> Iterator[str]:
    yield f"\n### `{name}`\nModule. {_intro(module)}\n"
    for one in _tree(module).body:
        if isinstance(one, ast.FunctionDef) and not one.name.startswith("_"):
            yield f"\n- `{name}.{_signature(one)}` {_first_line(one)}"
    yield "\n"


def _entry(name: str, found: Definition, module: str) -> Iterator[str]:
    if isinstance(found, ast.ClassDef):
        yield f"\n### `{name}`\n{_code(name, _parameters(found))}{_paragraph(found)}\n"
        members = [*_members(found), *_inherited(found, module)]
        yield "\n" + "\n".join(members) + "\n" if members else ""
    elif isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef):
        yield f"\n### `{name}`\n{_code(name, _arguments(found), _returns(found))}{_paragraph(found)}\n"
    else:
        yield f"\n### `{name}`\n`{ast.unparse(found)}`\n"


def _code(name: str, arguments: Sequence[str] = (), returns: str = "") -> str:
    """Return a signature as a block of code, one parameter a line where it is long; nothing for a name without parameters."""
    text = f"{name}({', '.join(arguments)}){returns}"
    if len(text) > _LONG:
        text = f"{name}(\n" + "".join(f"    {one},\n" for one in arguments) + f"){returns}"
    return f"```py\n{text}\n```\n" if arguments or returns else ""


def _members(found: ast.ClassDef) -> Iterator[str]:
    for one in found.body:
        if isinstance(one, ast.FunctionDef) and not one.name.startswith("_"):
            words = [ast.unparse(word) for word in one.decorator_list]
            text = f"{one.name}: {_annotation(one.returns)}" if "property" in words or "cached_property" in words else _signature(one)
            yield f"- `{text}` {_first_line(one)}"


def _inherited(found: ast.ClassDef, module: str) -> Iterator[str]:
    """Yield the members of bases of ours that are no public names themselves."""
    for base in map(ast.unparse, found.bases):
        if base.isidentifier() and base not in _public():
            try:
                definition = _definition(module, base)
            except (LookupError, AssertionError):  # of another package
                continue
            yield from _members(definition) if isinstance(definition, ast.ClassDef) else ()


@cache
def _public() -> frozenset[str]:
    return frozenset(name for face in FACES for name in names_of(face))


def _parameters(found: ast.ClassDef) -> list[str]:
    """Return what a class is made from; nothing where that is no matter of the user's."""
    own = next((one for one in found.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)
    if own is not None:
        return [] if own.args.vararg else _arguments(own)
    if any("dataclass" in ast.unparse(word) for word in found.decorator_list):
        of_class = [one for one in found.body if isinstance(one, ast.AnnAssign)]
        return [f"{ast.unparse(one.target)}: {_annotation(one.annotation)}{_default(one)}" for one in of_class]
    return []


def _default(field: ast.AnnAssign) -> str:
    if field.value is None:
        return ""
    text = ast.unparse(field.value).replace("'", '"')
    return " = …" if text.startswith("field(") and "default" in text else "" if text.startswith("field(") else f" = {text}"


def _signature(found: Function) -> str:
    return f"{found.name}({', '.join(_arguments(found))}){_returns(found)}"


def _returns(found: Function) -> str:
    return f" → {_annotation(found.returns)}" if found.returns is not None and ast.unparse(found.returns) != "None" else ""


def _arguments(found: Function) -> list[str]:
    """Return the parameters, each with its annotation and default; without self and cls."""
    given = found.args
    plain = [*given.posonlyargs, *given.args]
    values = [None] * (len(plain) - len(given.defaults)) + list(given.defaults)
    said = [_argument(one, value) for one, value in zip(plain, values, strict=True) if one.arg not in ("self", "cls")]
    if given.vararg is not None:
        said.append("*" + _argument(given.vararg, None))
    elif given.kwonlyargs:
        said.append("*")
    said += [_argument(one, value) for one, value in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    return [*said, "**" + _argument(given.kwarg, None)] if given.kwarg is not None else said


def _argument(one: ast.arg, value: ast.expr | None) -> str:
    text = one.arg if one.annotation is None else f"{one.arg}: {_annotation(one.annotation)}"
    return text if value is None else f"{text} = {ast.unparse(value)}".replace("'", '"')


class _Unquoted(ast.NodeTransformer):
    """Annotations that stand in quotes, since their module is not imported at run time, without them."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        return node if ast.unparse(node.value) == "Literal" else self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.parse(node.value, mode="eval").body if isinstance(node.value, str) else node


def _annotation(node: ast.expr | None) -> str:
    return "" if node is None else ast.unparse(_Unquoted().visit(copy.deepcopy(node))).replace("'", '"')


def _first_line(found: Function) -> str:
    return (ast.get_docstring(found) or "").partition("\n")[0]


def _paragraph(found: Function | ast.ClassDef) -> str:
    text = ast.get_docstring(found) or ""
    return text.partition("\nRaises:")[0].strip() + (_raises(text) if "\nRaises:" in text else "")


def _raises(text: str) -> str:
    return "\n\nRaises " + "; ".join(" ".join(text.partition("\nRaises:")[2].split("\n\n")[0].split()).split(" ;")) + "\n"


def _definition(module: str, name: str) -> Definition:
    for one in ast.walk(_tree(module)):
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and one.name == name:
            return one
        if isinstance(one, ast.Assign | ast.AnnAssign) and name in ast.unparse(one).partition("=")[0]:
            return one
    for one in ast.walk(_tree(module)):
        if isinstance(one, ast.ImportFrom) and one.module and any((alias.asname or alias.name) == name for alias in one.names):
            return _definition(one.module, name)
    raise LookupError(f"{module} defines no {name}")


@cache
def _tree(module: str) -> ast.Module:
    file = _file(module)
    assert file is not None, module
    return ast.parse(file.read_text(encoding="utf-8"))


def _file(module: str) -> Path | None:
    base = ROOT / "src" / Path(*module.split("."))
    return next((file for file in (base.with_suffix(".py"), base / "__init__.py") if file.exists()), None)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
