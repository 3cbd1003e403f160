import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import typer

from testbeam import __version__
from testbeam.cli import commands, main
from testbeam.cli.apps import new_app


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["--help"]) == 0

    shown = capsys.readouterr().out
    assert all(name in shown for name in commands.COMMANDS)


def test_a_typo_is_answered_with_the_near_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["smoek"]) == 2

    assert "did you mean smoke?" in capsys.readouterr().err


def test_a_wild_guess_is_answered_with_all_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["qqq"]) == 2

    assert "there are smoke" in capsys.readouterr().err


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


def test_an_error_of_ours_is_a_paragraph_not_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["bench", "--folder", "/nowhere"]) == 2

    shown = capsys.readouterr().err
    assert shown.startswith("error: --folder: '/nowhere' can't be used")
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (["smoke", "controll"], "smoke: 'controll' can't be used; give nothing, for the whole chain, or control; did you mean control?"),
        (["run"], "COMMAND is missing; give it after --, such as: testbeam run -- pytest"),
        (["init", "stack", "/proc/nowhere"], "FOLDER: '/proc/nowhere/testbeam.toml' can't be used; give a folder that can be written"),
    ],
)
def test_what_is_wrong_in_a_command_line_is_said_with_what_to_write(
    line: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.run(line) == 2

    assert capsys.readouterr().err.startswith(f"error: {error}")


@pytest.mark.parametrize("command", ["replay", "stream"])
def test_a_missing_file_is_named_before_a_broker_is_looked_for(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run([command, "/nowhere/a.file"]) == 2

    assert "FILE: '/nowhere/a.file' can't be used" in capsys.readouterr().err


@pytest.mark.parametrize("command", commands.COMMANDS)
def test_help_is_plain_text(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run([command, "--help"]) == 0

    assert "╭" not in capsys.readouterr().out


def interrupted(app: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command whose module has this app; return the exit code."""
    monkeypatch.setattr(commands, "import_module", lambda _: SimpleNamespace(app=app))
    monkeypatch.setattr(sys, "argv", ["testbeam", "up"])
    with pytest.raises(SystemExit) as end:
        main.main()
    assert isinstance(end.value.code, int)
    return end.value.code


def test_ctrl_c_ends_a_command_with_one_line_and_what_was_noted_about_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = new_app()

    @app.command()
    def _up() -> None:
        interrupt = KeyboardInterrupt()
        interrupt.add_note("logs are in /there")
        raise interrupt

    assert interrupted(app, monkeypatch) == 130
    assert capsys.readouterr().err == "interrupted\nlogs are in /there\n"


def test_a_command_that_says_itself_what_ctrl_c_has_left_says_it_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = new_app()

    @app.command()
    def _up() -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            print("half of it is left")
            raise typer.Exit(130) from None

    assert interrupted(app, monkeypatch) == 130
    assert capsys.readouterr() == ("half of it is left\n", "")


def test_ctrl_c_while_modules_are_imported_is_told_as_any_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    assert interrupted(pressed, monkeypatch) == 130
    assert capsys.readouterr().err == "interrupted\n"
