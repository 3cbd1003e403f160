"""Machines that are elsewhere: over ssh, a stand-in that runs here what the genuine one would run there, or the command of a container."""

import os
import sys
from pathlib import Path

import pytest

from tests.integration.driver.conftest import RunCheck

SSH = """#!/bin/sh
# what sshd does: the words after the destination are one line for the user's shell
while [ "$1" = -o ]; do shift 2; done
[ "$1" = root@crate ] || { echo "ssh: Could not resolve hostname $1" >&2; exit 255; }
shift
cd "$STANDS_FOR" && exec sh -c "$*"
"""
SCRIPT = """
crate.wait_for_file("already")
assert crate.succeed("echo $((6 * 7)); echo err >&2") == "42\\n"
assert crate.execute("echo out; exit 3") == (3, "out\\n")
assert crate.execute("sleep 30", timeout=1)[0] == 124
crate.fail("echo $UNSET_VARIABLE")
crate.fail("false | cat")
assert crate.succeed("printf %s \\"it's $TOOL\\"") == "it's \\"quoted\\" $x"
crate.copy_from_host(__file__, "made/script")
assert "copy_from_host" in crate.succeed("cat made/script")
crate.copy_from_host("FOLDER/given", "again")
crate.copy_from_machine("made", "of crate")
assert (driver.folder / "results" / "of crate" / "made" / "script").is_file()
crate.wait_for_file("again/already", timeout=60)
here.wait_for_open_port(7777)
crate.wait_for_open_port(7777, here.succeed("echo -n $TESTBEAM_ADDRESS"), timeout=60)
crate.wait_until_fails("test -e already && rm already", timeout=60)
for refused in (crate.crash, crate.block, lambda: crate.pv("VOLT"), lambda: crate.iocsh("dbl"), lambda: crate.simulator()):
    try:
        refused()
    except Exception as error:
        assert "is elsewhere" in str(error), error
    else:
        raise Exception(f"{refused} is not refused")
"""
TOML = """
[machines.crate]
environment = {{ TOOL = '"quoted" $x' }}
[machines.here.units.listener]
command = ["${{python}}", "-c", "import socket,time; s=socket.create_server(('${{address}}',7777)); time.sleep(60)"]
listens = [7777]
{where}
"""


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What stands for the machine's folder; an ssh to it comes first on PATH."""
    folder, given, programs = tmp_path / "elsewhere", tmp_path / "given", tmp_path / "programs"
    for made in (folder, given, programs):
        made.mkdir()
    (folder / "already").write_text("")
    (given / "already").write_text("")
    (programs / "ssh").write_text(SSH)
    (programs / "ssh").chmod(0o755)
    monkeypatch.setenv("STANDS_FOR", str(folder))
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return folder


@pytest.mark.parametrize("way", ["ssh", "exec"])
def test_the_words_mean_the_machine_that_is_elsewhere(way: str, elsewhere: Path, run_check: RunCheck) -> None:
    where = '[ssh]\ncrate = "root@crate"' if way == "ssh" else f'[exec]\ncrate = "env -C {elsewhere}"'

    ended = run_check(SCRIPT.replace("FOLDER", str(elsewhere.parent)), TOML.format(where=where))

    assert ended.code == 0, ended.errors


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    ("where", "words"),
    [
        ('[ssh]\ncrate = "root@gone"', ("ssh root@gone fails", "Could not resolve hostname root@gone")),
        (f'[exec]\ncrate = "{sys.executable} -c exit(7)"', ("machine 'crate'", "fails", "7")),
    ],
)
def test_a_machine_that_is_not_reached_is_told_with_what_was_said(where: str, words: tuple[str, ...], run_check: RunCheck) -> None:
    ended = run_check('crate.succeed("true")', TOML.format(where=where))

    assert ended.code == 1
    assert all(word in ended.answer["checks"][0]["problem"] for word in words), ended.answer["checks"][0]["problem"]
