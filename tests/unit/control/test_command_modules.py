"""Command modules: functions of a user's file as commands; stand-ins for what it imports; errors with file and line."""

from pathlib import Path
from typing import Any

import pytest

from testbeam.errors import SetupError
from testbeam.services.control.commands.user import UserCommands
from testbeam.services.control.setups.files import read_setups
from tests.unit.control.holding import FakeSession

MOTOR = 'devices = dict(x=device("nicos.devices.generic.VirtualMotor", speed=0, unit="mm"))'


def loaded(tmp_path: Path, modules: str, *names: str, **files: str) -> tuple[UserCommands, FakeSession]:
    folder = tmp_path / "mine" / "setups"
    folder.mkdir(parents=True)
    (folder / "one.py").write_text(f"{MOTOR}\nmodules = {modules}")
    (folder / "two.py").write_text("")
    for path, text in files.items():
        file = tmp_path.joinpath(*path.split("__")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    session = FakeSession(read_setups([folder]))
    commands = UserCommands(session, None)
    commands.namespace = {**commands.exposed(), "session": session}
    commands.new_setup(*(names or ("one",)))
    return commands, session


def run(commands: UserCommands, code: str) -> Any:
    exec(code, commands.namespace)
    return commands.namespace.get("found")


def test_the_functions_of_a_file_are_commands_and_have_the_commands_as_names(tmp_path: Path) -> None:
    text = "import math\ndef park(where=2):\n    maw('x', where)\n    return read('x') + math.floor(0.5)\ndef _hidden(): pass\n"
    commands, session = loaded(tmp_path, "['nicos.commands.standard', 'nicos_ess.commands', 'own']", mine__own=text)

    assert run(commands, "found = park(3)") == pytest.approx(3)
    assert "_hidden" not in commands.namespace
    assert not session.told.text.count("gives no commands")


def test_only_marked_functions_are_commands_where_any_is_marked(tmp_path: Path) -> None:
    text = """
from nicos import session
from nicos.commands import helparglist, usercommand
from nicos.commands.device import maw
from nicos.core import UsageError
from nicos_mine.tools import twice

@usercommand
@helparglist("place")
def park(where):
    if where < 0:
        raise UsageError("behind the wall")
    maw(session.get_device("x"), twice(where))

def helper(): pass
"""
    commands, session = loaded(
        tmp_path, "['nicos_mine.commands.parking']", nicos_mine__commands__parking=text, nicos_mine__tools="def twice(x): return 2 * x"
    )
    run(commands, "park(2)")

    assert session.devices["x"].read(0) == 4
    assert "helper" not in commands.namespace
    with pytest.raises(Exception, match="behind the wall"):
        run(commands, "park(-1)")


def test_commands_of_a_module_go_with_its_setup_and_come_anew(tmp_path: Path) -> None:
    commands, _ = loaded(tmp_path, "['own']", mine__own="def park(): return 1")
    (tmp_path / "mine" / "own.py").write_text("def park(): return 2")
    commands.new_setup("one")

    assert run(commands, "found = park()") == 2
    commands.new_setup("two")
    assert "park" not in commands.namespace


def test_commands_are_there_although_a_device_could_not_be_made(tmp_path: Path) -> None:
    commands, session = loaded(tmp_path, "['own']", mine__own="def park(): return 5")
    (tmp_path / "mine" / "setups" / "one.py").write_text(
        "modules = ['own']\ndevices = dict(x=device('nicos.devices.generic.VirtualMotor', abslimits='nonsense'))"
    )
    session.setups = read_setups([tmp_path / "mine" / "setups"])
    with pytest.raises(SetupError, match="abslimits"):
        commands.new_setup("one")

    assert run(commands, "found = park()") == 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "there is no module own"),
        ("from nicos.devices.tango import PyTangoDevice", "nothing that stands for PyTangoDevice of nicos.devices.tango"),
        ("import nicos.core", "from nicos.core import"),
        ("\nimport no_such_library_at_all", "own.py, line 2: No module named 'no_such_library_at_all'"),
    ],
)
def test_what_is_not_there_is_told_and_all_else_loads(tmp_path: Path, text: str | None, said: str) -> None:
    files = {} if text is None else {"mine__own": text}
    _, session = loaded(tmp_path, "['own']", **files)

    assert "module own gives no commands" in session.told.text
    assert said in session.told.text
    assert "x" in session.devices


@pytest.mark.parametrize(("text", "line"), [("a = 1\nb = nothing\n", 2), ("x = (", 1), ("\n\nraise ValueError('odd')", 3)])
def test_a_file_that_fails_names_file_and_line(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(SetupError, match=rf"own\.py, line {line}: "):
        loaded(tmp_path, "['own']", mine__own=text)
