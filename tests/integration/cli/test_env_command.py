import json
import subprocess
import sys
from pathlib import Path

from tests.integration.cli.commands import Commands, declare


def test_env_of_two_stacks_by_file_name_and_folder(commands: Commands) -> None:
    here, there = declare(commands.folder / "a", "one"), declare(commands.folder / "b", "two")
    for file in (here, there):
        assert commands.run("up", "--detach", str(file)).returncode == 0

    urls = {
        "file": _url(commands, "env", str(here), "--json"),
        "name": _url(commands, "env", "one", "--json"),
        "folder": _url(commands, "env", "--json", folder=here.parent),
    }
    other = _url(commands, "env", "--json", folder=there.parent)
    ambiguous = commands.run("env")

    assert len(set(urls.values())) == 1, urls
    assert other not in urls.values()
    assert ambiguous.returncode == 3
    assert "2 stacks are up" in ambiguous.stderr


def test_down_and_logs_take_the_stack_of_the_folder_s_own_file(commands: Commands) -> None:
    here, there = declare(commands.folder / "a", "one"), declare(commands.folder / "b", "two")
    for file in (here, there):
        assert commands.run("up", "--detach", str(file)).returncode == 0

    logs = commands.run("logs", folder=here.parent)
    ended = commands.run("down", folder=there.parent)

    assert logs.returncode == 0
    assert "(two) has ended" in ended.stdout
    assert "one" in commands.run("ps").stdout


def test_down_twice_is_no_error_and_an_unknown_name_is(commands: Commands) -> None:
    declare(commands.folder, "web")
    assert commands.run("up", "-d").returncode == 0

    first, second, unknown = commands.run("down"), commands.run("down"), commands.run("down", "nobody")

    assert (first.returncode, second.returncode, unknown.returncode) == (0, 0, 3)
    assert "nothing to end" in second.stdout


def test_env_never_starts_anything(commands: Commands) -> None:
    file = declare(commands.folder, "web")

    none, named, of_file = commands.run("env"), commands.run("env", "nobody"), commands.run("env", str(file))

    assert [one.returncode for one in (none, named, of_file)] == [3, 3, 3]
    assert "no stack of yours is up" in none.stderr
    assert f"testbeam up --detach {file}" in of_file.stderr
    assert "no stack of yours is up" in commands.run("ps").stdout


def test_env_loads_nothing_that_makes_a_shell_wait() -> None:
    script = "import sys, testbeam.cli.main as m; import testbeam.cli.env, testbeam.cli.variables; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()

    assert {"rich", "typer", "confluent_kafka", "numpy", "p4p", "tomllib"} & set(loaded) == set()


def _url(commands: Commands, *words: str, folder: Path | None = None) -> str:
    done = commands.run(*words, folder=folder)
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["WEB_URL"])
