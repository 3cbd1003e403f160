import subprocess
import sys

from tests.integration.cli.commands import Commands


def test_a_first_stack_comes_with_a_test_that_passes(commands: Commands) -> None:
    done = commands.run("init", "stack")
    assert done.returncode == 0, done.stderr

    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    tests = subprocess.run(argv, cwd=commands.folder, env=commands.env({}), capture_output=True, text=True, timeout=240, check=False)

    assert tests.returncode == 0, tests.stdout
    assert "2 passed" in tests.stdout


def test_what_is_there_is_not_overwritten(commands: Commands) -> None:
    (commands.folder / "testbeam.toml").write_text("mine")

    refused = commands.run("init", "stack")

    assert refused.returncode == 2
    assert "--force" in refused.stderr
    assert (commands.folder / "testbeam.toml").read_text() == "mine"
    assert commands.run("init", "stack", "--force").returncode == 0


def test_a_folder_that_is_not_there_is_made(commands: Commands) -> None:
    done = commands.run("init", "stack", "my stack")

    assert done.returncode == 0, done.stderr
    assert (commands.folder / "my stack/testbeam.toml").is_file()
    assert "cd 'my stack'" in done.stdout
