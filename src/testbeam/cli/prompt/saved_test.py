"""Test from the lines of a prompt: names become fixtures, imports and services, and what a test can't have is refused."""

import ast
import builtins
import re
import symtable
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from testbeam.cli.prompt.names import FAULTS, FIXTURES, IMPORTED
from testbeam.errors import SettingsError

_OF_THE_PROMPT = re.compile(r"_+|_i*\d*|In|Out|exit|quit|get_ipython|display")
_OWN = frozenset(vars(builtins)) - {"display", "get_ipython"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What was typed and went well, and on which stack: `services` by the names they have at the prompt, `file` of the declaration."""

    cells: Sequence[str]
    services: Mapping[str, str]
    file: str = ""


def test_file(name: str, session: Session) -> str:
    """Return the text of a test module that does what was done at the prompt.

    Raises:
        SettingsError: the name can't be a test's, nothing was done, or a line uses what only a prompt has.
    """
    if not name.isidentifier():
        raise SettingsError("NAME", name, "letters, digits and _, as in a function's name")
    if not session.cells:
        raise SettingsError("NAME", name, "it something to save: no line has gone well yet")
    body = "\n".join(_indented(cell) for cell in session.cells)
    used, rebound = _names(body)
    _refuse_unknown(used, session)
    imports = {word: module for word, module in IMPORTED.items() if word in used}
    outside = {word: module for word, module in imports.items() if word not in rebound}
    first = [
        *(f"    from {module} import {word}" for word, module in imports.items() if word not in outside),
        *(f'    {word} = run["{service}"]' for word, service in session.services.items() if word in used),
        *([f"    {FAULTS} = run.faults"] if FAULTS in used else []),
    ]
    needs_run = "run" in used or any(" = run" in line for line in first)
    fixtures = [word for word in FIXTURES if word in used or (word == "run" and needs_run)]
    head = ['"""Saved from a prompt: `testbeam shell`."""', *_imports(outside, session.file), *_stack(session.file)]
    text = "\n".join([*head, "", "", f"def test_{name}({', '.join(fixtures)}):", *first, body, ""])
    compile(text, f"test_{name}.py", "exec")
    return text


test_file.__test__ = False  # type: ignore[attr-defined]  # pytest collects functions by the name test*


def _indented(cell: str) -> str:
    """Return a cell as part of a function's body; with its comments, unless that would change a text of several lines."""
    tree = ast.parse(cell)
    indented = textwrap.indent(textwrap.dedent(cell).strip("\n"), "    ")
    try:
        function = ast.parse(f"def f():\n{indented}\n").body[0]
        same = isinstance(function, ast.FunctionDef) and list(map(ast.dump, function.body)) == list(map(ast.dump, tree.body))
    except SyntaxError:
        same = False
    return indented if same else textwrap.indent(ast.unparse(tree), "    ")


def _names(body: str) -> tuple[set[str], set[str]]:
    """Return which names the body reads without having made them first, as far as that shows, and which it binds."""
    text = f"def f():\n{body}\n"
    try:
        tables = symtable.symtable(text, "saved", "exec").get_children()  # from Python 3.14 on one of annotations comes before
        function = next(one for one in tables if one.get_name() == "f")
        tree = ast.parse(text)
    except SyntaxError as error:
        raise SettingsError("NAME", str(error.text).strip(), "lines that a function can have") from None
    bound = {symbol.get_name() for symbol in function.get_symbols() if symbol.is_local()}
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    known = {*FIXTURES, *IMPORTED, FAULTS}
    return _globals(function) | (read & (known | bound)), bound


def _globals(table: symtable.SymbolTable) -> set[str]:
    own = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global() and symbol.is_referenced()}
    return own.union(*map(_globals, table.get_children()))


def _refuse_unknown(used: set[str], session: Session) -> None:
    known = {*FIXTURES, *IMPORTED, FAULTS, *session.services, *_OWN} | _names("\n".join(map(_indented, session.cells)))[1]
    for word in sorted(used - known):
        if _OF_THE_PROMPT.fullmatch(word):
            raise SettingsError("NAME", word, "lines without it, which only a prompt has: give the value a name and do it again")
        raise SettingsError("NAME", word, "lines that make all they use: this name was made in a line that failed, or by a % or ! line")


def _imports(outside: Mapping[str, str], file: str) -> list[str]:
    modules: dict[str, list[str]] = {}
    for word, module in outside.items():
        modules.setdefault(module, []).append(word)
    if file:
        modules["testbeam.stacks.toml.file"] = ["declared"]
    lines = [f"from {module} import {', '.join(sorted(words))}" for module, words in sorted(modules.items())]
    return [*(["", "import pytest"] if file else []), *([""] if lines else []), *lines]


def _stack(file: str) -> list[str]:
    if not file:
        return []
    return ["", "", '@pytest.fixture(scope="session")', "def stack():", f"    return declared({file!r}).stack"]
