"""A script: its text, and its statements with a look at the flow before each, so that a break or a stop gets in anywhere.

Each statement of the text, in loops and functions too, is preceded by a call that tells its line; an endless loop is no exception.
"""

import ast
import copy
import secrets
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from testbeam.errors import ControlError
from testbeam.services.control.daemon.users import User

LOOK = "__line__"
_BODIES = ("body", "orelse", "finalbody")


@dataclass(slots=True, eq=False)
class Request:
    """A script in the queue or under way. `done` is how many of its statements have been begun."""

    text: str
    name: str
    user: User
    reqid: str = field(
        default_factory=lambda: f"{secrets.token_hex(4)}-{secrets.token_hex(2)}-{secrets.token_hex(2)}-{secrets.token_hex(6)}"
    )
    statements: list[ast.stmt] = field(default_factory=list)
    done: int = 0
    debugged: bool = False

    def for_clients(self) -> dict[str, Any]:
        """Return the request as clients know it."""
        return {"reqid": self.reqid, "name": self.name, "script": self.text, "user": self.user.name}

    def parse(self) -> None:
        """Read the text; raise ControlError where it is no Python."""
        self.statements = parsed(self.text, self.name)

    def update(self, text: str) -> None:
        """Take another text; what has been begun of the old one has to be as it was.

        Raises:
            ControlError: it is not, or the text is no Python.
        """
        statements = parsed(text, self.name)
        begun = [ast.dump(one) for one in self.statements[: self.done]]
        if [ast.dump(one) for one in statements[: self.done]] != begun:
            raise ControlError("the new script differs from the old one in what has been run already")
        self.text, self.statements = text, statements

    def is_lone_expression(self) -> bool:
        """Tell whether the text is one expression that is no call: then its value is told."""
        return len(self.statements) == 1 and isinstance(self.statements[0], ast.Expr) and not isinstance(self.statements[0].value, ast.Call)


def parsed(text: str, name: str = "") -> list[ast.stmt]:
    """Return the statements of a script.

    Raises:
        ControlError: it is no Python; the message names the line.
    """
    try:
        return ast.parse(text, name or "<script>").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        raise ControlError(f"the script can't be read{f', line {line}' if line else ''}: {getattr(error, 'msg', error)}") from None


def code_of(statement: ast.stmt, name: str = "") -> CodeType:
    """Return what runs a statement with a look before it and everything in it."""
    module = ast.Module(body=_watched([copy.deepcopy(statement)]), type_ignores=[])
    return compile(ast.fix_missing_locations(module), name or "<script>", "exec")


def _watched(body: list[ast.stmt]) -> list[ast.stmt]:
    watched: list[ast.stmt] = []
    for statement in body:
        for part in _BODIES:
            inner = getattr(statement, part, None)
            if inner and isinstance(inner, list):
                setattr(statement, part, _watched(inner))
        for branch in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
            branch.body = _watched(branch.body)
        if not _must_come_first(statement):
            watched.append(_look(statement))
        watched.append(statement)
    return watched


def _must_come_first(statement: ast.stmt) -> bool:
    """Tell whether nothing may stand before it: an import from the future, a doc string, what has no moment of its own."""
    is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return (
        is_text
        or isinstance(statement, ast.Global | ast.Nonlocal)
        or (isinstance(statement, ast.ImportFrom) and statement.module == "__future__")
    )


def _look(statement: ast.stmt) -> ast.Expr:
    call = ast.Call(func=ast.Name(id=LOOK, ctx=ast.Load()), args=[ast.Constant(statement.lineno)], keywords=[])
    return ast.copy_location(ast.Expr(ast.copy_location(call, statement)), statement)
