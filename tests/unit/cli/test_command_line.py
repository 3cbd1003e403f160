import pytest

from testbeam import __version__
from testbeam.cli import main


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--help"]) == 0

    shown = capsys.readouterr().out
    assert all(name in shown for name in main.COMMANDS)


def test_a_typo_is_answered_with_the_near_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["smoek"]) == 2

    assert "did you mean smoke?" in capsys.readouterr().err


def test_a_wild_guess_is_answered_with_all_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["qqq"]) == 2

    assert "there are smoke" in capsys.readouterr().err


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


def test_an_error_of_ours_is_a_paragraph_not_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["bench", "--folder", "/nowhere"]) == 2

    shown = capsys.readouterr().err
    assert shown.startswith("error: --folder: '/nowhere' can't be used")
    assert "Traceback" not in shown


@pytest.mark.parametrize("command", ["replay", "stream"])
def test_a_missing_file_is_named_before_a_broker_is_looked_for(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([command, "/nowhere/a.file"]) == 2

    assert "FILE: '/nowhere/a.file' can't be used" in capsys.readouterr().err


@pytest.mark.parametrize("command", main.COMMANDS)
def test_help_is_plain_text(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([command, "--help"]) == 0

    assert "╭" not in capsys.readouterr().out
