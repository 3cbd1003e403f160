import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testbeam.clients.waiting import wait_for_condition
from tests.integration.cli.commands import Commands, declare

FETCH = 'import os, urllib.request as u; u.urlopen(os.environ["WEB_URL"]).read(); print(os.environ["TESTBEAM_STACK"])'


def test_a_command_finds_the_stack_by_its_variables_and_the_stack_ends_with_it(commands: Commands) -> None:
    declare(commands.folder, "web")

    done = commands.run("run", "--", "python3", "-c", FETCH)

    assert done.returncode == 0, done.stderr
    assert len(done.stdout.strip()) == 12  # nothing but what the command has printed
    assert "no stack of yours is up" in commands.run("ps").stdout


def test_options_of_the_command_are_its_own_and_testbeam_commands_in_it_mean_its_stack(commands: Commands) -> None:
    file = declare(commands.folder / "elsewhere", "web")
    declare(commands.folder, "other")
    assert commands.run("up", "--detach").returncode == 0

    done = commands.run(
        "run", str(file), "--", "sh", "-c", f"{sys.executable} -m testbeam env --json | grep WEB_URL; echo $1", "x", "--", "--help"
    )

    assert done.returncode == 0, done.stderr
    assert '"WEB_URL": "http://127.' in done.stdout
    assert done.stdout.endswith("--\n")


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137), ("exit 0", 0)])
def test_the_exit_code_is_the_command_s(commands: Commands, script: str, code: int) -> None:
    declare(commands.folder, "web")

    assert commands.run("run", "--", "sh", "-c", script).returncode == code


@pytest.mark.parametrize(("word", "code"), [("no-such-program", 127), ("./no-such-file", 127), ("./testbeam.toml", 126)])
def test_a_command_that_can_not_be_run_is_told_before_anything_is_started(commands: Commands, word: str, code: int) -> None:
    declare(commands.folder, "web")

    done = commands.run("run", "--", word)

    assert done.returncode == code
    assert "no stack was started" in done.stderr


@pytest.mark.parametrize("words", [("run",), ("run", "--"), ("run", "pytest")])
def test_a_forgotten_command_is_asked_for_with_an_example(commands: Commands, words: tuple[str, ...]) -> None:
    done = commands.run(*words)

    assert done.returncode == 2
    assert "testbeam run -- pytest" in done.stderr


@pytest.mark.parametrize("content", [None, "not toml [", "[stack]\nname = 'x'\n"])
def test_a_file_that_is_no_stack_is_named(commands: Commands, content: str | None) -> None:
    if content is not None:
        (commands.folder / "mine.toml").write_text(content)

    done = commands.run("run", "mine.toml", "--", "true")

    assert done.returncode == 3
    assert "mine.toml" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_service_that_dies_meanwhile_spoils_a_good_command(commands: Commands) -> None:
    declare(commands.folder, "web")

    script = f"kill -KILL $TESTBEAM_PID_WEB; until {sys.executable} -m testbeam ps | grep -q crashed; do :; done"
    done = commands.run("run", "--", "sh", "-c", script)

    assert done.returncode == 3
    assert "web" in done.stderr
    assert "Traceback" not in done.stderr


# It says that it has begun, then takes Ctrl-C and asks whether the stack is still there.
PATIENT = """
import os, pathlib, signal, sys, urllib.request
def ended(*_):
    urllib.request.urlopen(os.environ["WEB_URL"]).read()
    print("the stack was still up")
    sys.exit(5)
signal.signal(signal.SIGINT, ended)
pathlib.Path("begun").touch()
signal.pause()
"""


def test_ctrl_c_is_the_command_s_first_and_the_stack_s_after(commands: Commands) -> None:
    declare(commands.folder, "web")
    with commands.spawn("run", "--", "python3", "-c", PATIENT) as process:
        _wait_for(commands.folder / "begun")
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=60)

    assert (process.returncode, out) == (5, "the stack was still up\n"), error
    assert "no stack of yours is up" in commands.run("ps").stdout


def test_a_command_that_ignores_ctrl_c_is_killed_by_the_third(commands: Commands) -> None:
    declare(commands.folder, "web")
    script = "import pathlib, signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); pathlib.Path('begun').touch(); time.sleep(600)"
    with commands.spawn("run", "--", "python3", "-c", script) as process:
        _wait_for(commands.folder / "begun")
        for _ in range(3):
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)  # signals that wait together are one
        process.communicate(timeout=60)

    assert process.returncode == 137


def _wait_for(file: Path) -> None:
    wait_for_condition(file.exists, within_s=60, what=f"{file.name} is there")


def test_sigterm_ends_command_and_stack(commands: Commands) -> None:
    declare(commands.folder, "web")
    with commands.spawn("run", "--", "sh", "-c", "touch begun; exec sleep 600") as process:
        _wait_for(commands.folder / "begun")
        process.terminate()
        process.communicate(timeout=60)

    assert process.returncode == 128 + signal.SIGTERM
    assert subprocess.run(["pgrep", "-f", str(commands.folder)], capture_output=True, check=False).stdout == b""


def test_what_a_command_leaves_behind_ends_with_it(commands: Commands) -> None:
    declare(commands.folder, "web")
    daemon = "trap '' TERM; sleep 600"  # it heeds no request to end
    script = f'setsid sh -c "{daemon}" & setsid sleep 600 & echo $! > pid; exit 4'

    done = commands.run("run", "--", "sh", "-c", script)  # its output is read to the end: a daemon would hold it open

    assert done.returncode == 4, done.stderr
    pid = int((commands.folder / "pid").read_text())
    assert not Path(f"/proc/{pid}").exists()
