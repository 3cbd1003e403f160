"""Commands where the terminal's encoding, the path or the home folder is not what it is on the developer's machine."""

import sys
from pathlib import Path

import pytest

import testbeam
from tests.integration.cli.commands import Commands, declare

ENCODINGS = {
    "Latin-1": {"PYTHONIOENCODING": "latin-1"},
    "ASCII": {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
    "C locale, no coercion": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "TERM": "dumb"},
}


LINES = ("--help", "help up", "doctor", "ps")
ONE_AFTER_THE_OTHER = "import sys; from testbeam.cli.commands import run; sys.exit(str([run(line.split()) for line in sys.argv[1:]]))"


@pytest.mark.parametrize("env", ENCODINGS.values(), ids=ENCODINGS)
def test_a_terminal_that_is_not_utf_8_gets_substitutes(commands: Commands, env: dict[str, str]) -> None:
    done = commands.python("-c", ONE_AFTER_THE_OTHER, *LINES, env=env)

    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1:] == [str([0] * len(LINES))], done.stderr


def test_a_whole_life_of_a_stack_on_a_latin_1_terminal(commands: Commands) -> None:
    declare(commands.folder, "Prüfstand")
    env = {"PYTHONIOENCODING": "latin-1"}

    codes = {words: commands.run(*words, env=env).returncode for words in [("up", "-d"), ("ps",), ("logs",), ("env",), ("down",)]}

    assert set(codes.values()) == {0}, codes


def test_the_light_chain_with_checkout_and_folders_below_a_path_with_a_blank_and_an_umlaut(commands: Commands) -> None:
    folder = commands.folder / "mein prüfstand"
    (folder / "tmp").mkdir(parents=True)
    (folder / "src").symlink_to(Path(testbeam.__file__).parents[1])
    script = "import os, pathlib, testbeam; print(pathlib.Path(os.environ['TESTBEAM_OUTPUT']).is_dir(), testbeam.__file__)"
    env = {"TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(folder / "src")}

    done = commands.run("run", "--folder", str(folder / "lauf 1"), "--", sys.executable, "-c", script, env=env)

    assert (done.returncode, done.stdout) == (0, f"True {folder}/src/testbeam/__init__.py\n"), done.stderr
    assert (folder / "lauf 1/log/filewriter.log").is_file()


def test_the_light_chain_with_a_home_that_can_not_be_written(commands: Commands, filled_cache: Path) -> None:
    env = {"HOME": "/sys", "TESTBEAM_CACHE": str(filled_cache), "XDG_CACHE_HOME": "/sys/cache"}

    done = commands.run("run", "--", "true", env=env)

    assert done.returncode == 0, done.stderr


def test_a_cache_that_can_not_be_written_names_the_variable_that_moves_it(commands: Commands) -> None:
    done = commands.run("broker", "fetch", env={"HOME": "/sys", "XDG_CACHE_HOME": "", "TESTBEAM_CACHE": ""})

    assert done.returncode == 3
    assert "TESTBEAM_CACHE" in done.stderr
    assert "Traceback" not in done.stderr
