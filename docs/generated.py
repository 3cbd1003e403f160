"""Pages of reference that are made from the code when the site is built: commands, errors, roles, faults, probes, fixtures, decisions."""

import ast
import inspect
import io
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from testbeam import errors
from testbeam.cli.commands import COMMANDS
from testbeam.kit.faults import registry as faults
from testbeam.pytest_plugin import pytest_addoption
from testbeam.pytest_plugin.hooks import pytest_configure
from testbeam.stacks.roles import registry as roles
from testbeam.stacks.toml.probe import PROBES

ROOT = Path(__file__).parents[1]
HIDDEN = {"self", "handle", "parameters"}


def commands() -> str:
    """Return what each command says of itself when it is asked for help."""
    return "# Commands\n" + "".join(_command(name, what) for name, what in COMMANDS.items())


def error_tree() -> str:
    """Return the tree of errors, and what each one is."""
    tree = inspect.getdoc(errors) or ""
    return "# Errors\n\n" + tree.replace("::\n\n", "", 1) + "\n" + _table(("error", "what it says"), _errors())


def role_table() -> str:
    """Return the roles with their parameters."""
    head = "# Roles\n\nKeys of a table with `role = …` in a testbeam.toml, and parameters of the role's function.\n"
    return head + "".join(_role(name, roles.role(name).declare) for name in roles.names())


def fault_table() -> str:
    """Return the faults with their options, and the probes with their keys."""
    rows = [(f"`{kind.kind}`", ", ".join(f"`{word}`" for word in _options(kind)), _first_line(kind)) for kind in faults.KINDS]
    return "# Faults\n\nEach is a context manager on the handle of a service. [How to use them](../how-to/break-a-stack.md)\n\n" + _table(
        ("fault", "options", "what happens"), rows
    )


def probe_table() -> str:
    """Return the probes by their names in a testbeam.toml."""
    rows = [(f"`{name}`", f"`{one().__name__}{inspect.signature(one())}`", _first_line(one())) for name, one in PROBES.items()]
    return "# Probes\n\n" + _table(("probe", "keys", "ready when"), rows)


def fixtures() -> str:
    """Return the fixtures, options and markers of the pytest plugin."""
    tables = (
        _table(("fixture", "what a test gets"), _fixtures()),
        _table(("marker", "what it means"), _markers()),
        _table(("option", "what it does"), _pytest_options()),
    )
    return "# pytest plugin\n\n" + "\n".join(tables)


def decisions() -> str:
    """Return the list of decisions."""
    files = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    return "# Decisions\n\n" + "".join(f"- [{_title(file)}]({file.name})\n" for file in files)


PAGES: dict[str, Callable[[], str]] = {
    "reference/commands.md": commands,
    "reference/errors.md": error_tree,
    "reference/roles.md": role_table,
    "reference/faults.md": fault_table,
    "reference/probes.md": probe_table,
    "reference/pytest-plugin.md": fixtures,
    "decisions/README.md": decisions,
}


def _command(name: str, what: str) -> str:
    app = import_module(f"testbeam.cli.{name}").app
    said = _help_of(typer.main.get_command(app), f"testbeam {name}", None) if isinstance(app, typer.Typer) else _said(app, name)
    return f"\n## testbeam {name}\n\n{what}\n" + "".join(said)


def _help_of(command: Any, path: str, parent: Any) -> Iterator[str]:
    context = command.make_context(path, [], parent=parent, resilient_parsing=True)
    context.max_content_width = context.terminal_width = 100
    yield f"\n```text\n{command.get_help(context)}\n```\n"
    for name, one in getattr(command, "commands", {}).items():
        yield f"\n### {context.command_path} {name}\n"
        yield from _help_of(one, name, context)


def _said(app: Callable[..., Any], name: str) -> Iterator[str]:
    """Yield the help of a command that finds another program's options, and prints it itself."""
    with redirect_stdout(io.StringIO()) as printed, suppress(SystemExit):
        app(["--help"], prog_name=f"testbeam {name}")
    yield f"\n```text\n{printed.getvalue().strip()}\n```\n"


def _role(name: str, declare: Callable[..., Any]) -> str:
    said = (inspect.getdoc(declare) or "").partition("\nRaises:")[0].strip()
    return f"\n## `{name}`\n\n{said}\n\n" + _table(("parameter", "kind", "default"), _parameters(declare))


def _errors() -> Iterator[tuple[str, str]]:
    for name, one in vars(errors).items():
        if isinstance(one, type) and issubclass(one, errors.TestbeamError):
            yield f"`{name}`", _first_line(one)


def _parameters(function: Callable[..., Any]) -> Iterator[tuple[str, str, str]]:
    for name, one in inspect.signature(function).parameters.items():
        kind = one.annotation if isinstance(one.annotation, str) else inspect.formatannotation(one.annotation)
        default = "" if one.default is one.empty else f"`{one.default!r}`"
        plain = re.sub(r"(?:\w+\.)+(?=\w)", "", kind)
        yield f"`{name}`", f"`{plain}`" if one.annotation is not one.empty else "", default


def _options(kind: type[Any]) -> list[str]:
    word = getattr(import_module("testbeam.kit.handle").Handle, kind.kind, kind)
    return [name for name in inspect.signature(word).parameters if name not in HIDDEN]


def _fixtures() -> Iterator[tuple[str, str]]:
    for file in ("fixtures", "livedata"):
        for one in _tree(f"pytest_plugin/{file}.py").body:
            if isinstance(one, ast.FunctionDef) and any("fixture" in ast.unparse(word) for word in one.decorator_list):
                yield f"`{one.name}`", (ast.get_docstring(one) or "").partition("\n")[0]


class _Options(list[tuple[str, str]]):
    """What a plugin adds to pytest's parser."""

    def getgroup(self, _name: str) -> "_Options":
        return self

    def addoption(self, name: str, **how: Any) -> None:
        self.append((f"`{name} {how.get('metavar', '')}".strip() + "`", how["help"]))


class _Config:
    """What a plugin declares to pytest's configuration."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.stash: dict[Any, Any] = {}

    def addinivalue_line(self, _name: str, line: str) -> None:
        self.lines.append(line)

    def getoption(self, *_name: Any) -> None:
        return None


def _markers() -> Iterator[tuple[str, str]]:
    config: Any = _Config()
    pytest_configure(config)
    for line in config.lines:
        name, _, what = line.partition(": ")
        yield f"`@pytest.mark.{name}`", what


def _pytest_options() -> Iterable[tuple[str, str]]:
    options: Any = _Options()
    pytest_addoption(options)
    return options


def _tree(file: str) -> ast.Module:
    return ast.parse((ROOT / "src/testbeam" / file).read_text(encoding="utf-8"))


def _title(file: Path) -> str:
    return file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    """Return a text as a cell takes it; where this checkout lies is nobody else's matter."""
    return text.replace("|", "\\|").replace(f"{ROOT}/", "")
