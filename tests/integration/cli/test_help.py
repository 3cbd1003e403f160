import pytest

from testbeam.cli import commands
from tests.integration.cli.commands import Commands


@pytest.mark.parametrize("words", [("help",), ("help", "up"), ("help", "topic", "tail"), ("env", "--help")], ids=" ".join)
def test_help_is_asked_for_in_any_way(commands: Commands, words: tuple[str, ...]) -> None:
    done = commands.run(*words)

    assert done.returncode == 0
    assert done.stdout.lower().startswith("usage: testbeam")


def test_what_replaces_a_role_is_told_in_three_ways(commands: Commands) -> None:
    told = commands.run("up", "--help", env={"COLUMNS": "200"}).stdout

    for words in ("your own build of a role", "this whole command line in a role", "it runs there already"):
        assert words in " ".join(told.split())
    assert "<bool>" not in told


def test_every_command_has_help_without_a_stack(capsys: pytest.CaptureFixture[str]) -> None:
    codes = {name: commands.run([name, "--help"]) for name in commands.COMMANDS}

    assert set(codes.values()) == {0}, codes
    assert capsys.readouterr().out.lower().count("usage: testbeam") == len(codes)
