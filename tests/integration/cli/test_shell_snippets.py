"""Every `testbeam …` and `make …` line of the documentation's consoles names commands and options that there are."""

import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest
import typer

from testbeam.cli import env
from testbeam.cli.commands import COMMANDS

ROOT = Path(__file__).parents[3]
CONSOLE = re.compile(r"^```(?:console|bash|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def lines(word: str) -> list[tuple[str, str]]:
    """Return (page, line) of every command line in a console that begins with a word; `$` is the prompt."""
    found = []
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for block in CONSOLE.findall(page.read_text()):
            prompts = [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]
            found += [(str(page.relative_to(ROOT)), line) for line in prompts if word in re.split(r"[\s($\"]+", line.partition(" #")[0])]
    return found


def words_of(line: str) -> list[str]:
    """Return the words of the testbeam command in a line, which may stand within others."""
    inner = line[re.search(r"\btestbeam\b", line).start() :]  # type: ignore[union-attr]
    inner = re.split(r"\)\"?(?:$|\s)|\s>|\s\||\s#\s|\s&&", inner)[0]
    return shlex.split(inner)[1:]


@pytest.mark.parametrize(("page", "line"), lines("testbeam"))
def test_a_command_line_of_the_documentation_is_one_that_there_is(page: str, line: str) -> None:
    words = words_of(line)
    if not words or words[0].startswith("-") or words[0] == "help":
        return
    assert words[0] in COMMANDS, f"{page}: {line}"

    parse(words[0], words[1:])


def parse(name: str, words: list[str]) -> None:
    if name == "env":
        env._parser("testbeam env").parse_args(words)
        return
    module = import_module(f"testbeam.cli.{name}")
    app = module._app if name == "run" else module.app
    words = words[: words.index("--")] if name == "run" and "--" in words else words
    command = typer.main.get_command(app)
    try:
        with command.make_context(name, list(words)) as context:
            if hasattr(command, "resolve_command"):
                _, inner, rest = command.resolve_command(context, [*context._protected_args, *context.args])
                inner.make_context(name, list(rest))
    except Exception as error:
        if not hasattr(error, "format_message"):  # of the parser's own: an option or argument that there is not
            raise
        pytest.fail(f"testbeam {name} {' '.join(words)}: {error.format_message()}")


def test_an_option_that_there_is_not_would_be_found() -> None:
    with pytest.raises(pytest.fail.Exception, match="--nope"):
        parse("topic", ["ls", "--nope"])


@pytest.mark.parametrize(("page", "line"), lines("make"))
def test_a_door_of_the_documentation_is_one_that_there_is(page: str, line: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    wanted = [word for word in line.partition("#")[0].split()[1:] if "=" not in word]
    assert set(wanted) <= targets, f"{page}: {line}"


def test_lines_are_found_at_all() -> None:
    assert len(lines("testbeam")) > 25
    assert len(lines("make")) >= 2
