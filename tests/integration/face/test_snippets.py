"""What the documentation shows besides tests: stacks can be loaded, commands and options are there. Tests are run in tests/system."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from testbeam.cli.commands import COMMANDS
from testbeam.stacks.toml.file import load

ROOT = Path(__file__).parents[3]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
BROKER = '\n[services.broker]\nrole = "broker"\n'  # blocks that show one service only belong to a stack that has one


def blocks(language: str) -> list[Any]:
    found = []
    for page in PAGES:
        texts = re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        found += [pytest.param(text, id=f"{page.relative_to(ROOT)}-{number}") for number, text in enumerate(texts)]
    return found


def command_lines() -> Iterator[Any]:
    for page in PAGES:
        for line in dict.fromkeys(
            re.findall(r"^\$ (?:.*(?:&&|-- ) ?)?(?:\.venv/bin/)?testbeam (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        ):
            yield pytest.param(line, id=f"{page.relative_to(ROOT)}: {line}")


@pytest.mark.parametrize("text", blocks("toml"))
def test_a_file_of_toml_can_be_loaded(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTBEAM_CONTAINER_ENGINE", "/bin/echo")  # whether this machine has one is not asked
    keys = tomllib.loads(text)
    file = tmp_path / "testbeam.toml"
    if "services" in keys:
        file.write_text(text if "broker" in keys["services"] or "broker" not in text else text + BROKER)
        assert {one.name for one in load(file).stack.services} >= set(keys["services"])
    else:
        assert set(keys) & {"project", "machines", "env_names", "build", "ready"}


@pytest.mark.parametrize("text", blocks("json"))
def test_what_is_shown_as_json_is_json(text: str) -> None:
    assert json.loads(text)


@pytest.mark.parametrize("line", list(command_lines()))
def test_a_command_that_is_shown_is_there_with_its_options(line: str) -> None:
    name, *words = shlex.split(line, comments=True)
    assert name in COMMANDS

    app = import_module(f"testbeam.cli.{name}").app
    if not isinstance(app, typer.Typer):
        return  # its options are found out by another parser, which tests of its own try
    command: Any = typer.main.get_command(app)
    words = words[: words.index("--")] if "--" in words else words
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help"}
    assert [word for word in words if word.startswith("-") and word.partition("=")[0] not in known] == []
