"""Module docstrings say in a noun phrase what the module is: they are read in search results and by `help()`."""

import ast
import re
from pathlib import Path

import pytest

import testbeam

PACKAGE = Path(testbeam.__file__).parent
SETUPS = PACKAGE / "stacks" / "roles" / "control" / "setups"  # setup files of the field's form, which begin with `description`
QUESTIONS = re.compile(r"(How|What|Which|Where|Whether|Who|Whose|When|Why|Is|Are|Do|Does|Has|By) ")


def first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


@pytest.mark.parametrize("room", sorted({path.relative_to(PACKAGE).parts[0] for path in PACKAGE.rglob("*.py")}))
def test_no_module_of_a_room_asks_what_it_is(room: str) -> None:
    top = PACKAGE / room
    lines = {path: first_line(path) for path in ([top] if top.is_file() else sorted(set(top.rglob("*.py")) - set(SETUPS.rglob("*.py"))))}

    assert [f"{path}: {line}" for path, line in lines.items() if not line or QUESTIONS.match(line) or line.endswith("?")] == []
