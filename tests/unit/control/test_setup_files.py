"""Setup files: the field's manner of writing them, and errors with file and line."""

from pathlib import Path
from textwrap import dedent

import pytest

from testbeam.errors import SetupError
from testbeam.services.control.commands.command_modules import import_of_setup
from testbeam.services.control.setups.declared import DeviceConfig, Setup
from testbeam.services.control.setups.files import read_setups


def read(folder: Path, **files: str) -> dict[str, Setup]:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(dedent(text))
    return read_setups([folder])


def test_a_setup_has_what_its_file_names(tmp_path: Path) -> None:
    one = read(
        tmp_path,
        one="""
        description = "a stage"
        group = "lowlevel"
        includes = ["two"]
        devices = dict(x=device("some.Class", unit="mm", abslimits=(0, 5)))
        startupcode = "print(1)"
        display_order = 7
        """,
        two="devices = {}",
    )["one"]

    assert (one.description, one.group, one.includes, one.startupcode, one.display_order) == (
        "a stage",
        "lowlevel",
        ("two",),
        "print(1)",
        7,
    )
    assert one.devices["x"] == DeviceConfig("some.Class", {"unit": "mm", "abslimits": (0, 5)})
    assert not one.problem


def test_configdata_comes_from_the_file_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "special").mkdir()
    (tmp_path / "special" / "config.py").write_text('group = "configdata"\nHOST = "here"\n')
    one = read(tmp_path, one='devices = dict(x=device("some.Class", host=configdata("config.HOST")))')["one"]

    assert one.devices["x"] == DeviceConfig("some.Class", {"host": "here"})


def test_a_nested_device_becomes_one_of_its_own(tmp_path: Path) -> None:
    one = read(tmp_path, one='devices = dict(x=device("A", motor=device("B", n=1), others=[device("C"), "y"]))')["one"]

    assert set(one.devices) == {"x", "x_motor", "x_others1"}
    assert one.devices["x"] == DeviceConfig("A", {"motor": "x_motor", "others": ["x_others1", "y"]})
    assert one.devices["x_motor"] == DeviceConfig("B", {"n": 1})


def test_setups_of_one_name_add_up_and_none_takes_away(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    (first / "one.py").write_text('devices = dict(x=device("A"), y=device("B"))\nincludes = ["two"]')
    (first / "two.py").write_text("")
    (second / "one.py").write_text('devices = dict(x=device("C"), y=None)')

    one = read_setups([first, second])["one"]

    assert one.includes == ("two",)
    assert one.devices == {"x": DeviceConfig("C", {}), "y": None}


def test_a_secret_is_its_default(tmp_path: Path) -> None:
    one = read(tmp_path, one="devices = dict(a=device('X', password=secret('lab'), key=secret('other', default='guest')))")["one"]

    assert one.devices["a"] == DeviceConfig("X", {"password": "", "key": "guest"})


def test_panel_words_and_the_setup_name_are_there(tmp_path: Path) -> None:
    one = read(tmp_path, one="layout = Row(Column(Block('b', [BlockRow(Field(dev='x'))], setups=setupname)))")["one"]

    assert not one.problem


def test_blocks_of_monitors_may_have_any_form(tmp_path: Path) -> None:
    assert not read(tmp_path, one="monitor_blocks = [Block('b', [])]")["one"].problem


def test_an_unknown_group_is_optional(tmp_path: Path) -> None:
    assert read(tmp_path, one='group = "strange"')["one"].group == "optional"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("x = (", 1, "never closed"),
        ("a = 1\nb = nothing\n", 2, "nothing"),
        ("a = 1\n\ndevices = dict(x=5)\n", 3, "'x'"),
        ("includes = 5\n", 1, "includes"),
        ("\nincludes = ['gone']\n", 2, "gone"),
        ("import no_such_module_at_all\n", 1, "no_such_module_at_all"),
        ("devices = {'1x': device('A')}\n", 1, "1x"),
        ("devices = {'class': device('A')}\n", 1, "class"),
        ("a = configdata('config.X')\n", 1, "config"),
        ("raise SystemError('odd')\n", 1, "odd"),
        ("import sys\nsys.exit(3)", 2, "SystemExit: 3"),
    ],
)
def test_an_error_names_file_and_line_and_the_others_are_read(tmp_path: Path, text: str, line: int, what: str) -> None:
    setups = read(tmp_path, broken=text, good='devices = dict(y=device("A"))')

    problem = setups["broken"].problem
    assert f"broken.py, line {line}" in problem
    assert what in problem
    assert not setups["good"].problem


def test_a_setup_imports_from_others_of_its_tree_and_what_stands_for_nicos(tmp_path: Path) -> None:
    folder = tmp_path / "nicos_x" / "lab" / "setups"
    folder.mkdir(parents=True)
    one = """
    from nicos.core import ConfigurationError
    from nicos_x.lab.setups.two import channels, prefix
    devices = {name: device("some.Supply", pv=prefix + name) for name in channels}
    """
    two = "prefix = 'P:'\nchannels = ['a', 'b']\ndevices = dict(c=device('some.Class'))\n"
    bad = "from nicos_x.lab.nothing import x\n"
    for name, text in (("one", one), ("two", two), ("bad", bad)):
        (folder / f"{name}.py").write_text(dedent(text))

    setups = read_setups([folder], import_of_setup)

    assert setups["one"].devices == {name: DeviceConfig("some.Supply", {"pv": f"P:{name}"}) for name in "ab"}
    assert "bad.py, line 1: ImportError: testbeam has nothing that stands for x of nicos_x.lab.nothing" in setups["bad"].problem


def test_a_broken_include_breaks_who_includes_it(tmp_path: Path) -> None:
    setups = read(tmp_path, one='includes = ["two"]', two="x = nothing")

    assert "two.py, line 1" in setups["one"].problem


def test_a_circle_of_configdata_ends(tmp_path: Path) -> None:
    setups = read(tmp_path, a="X = configdata('b.X')", b="X = configdata('a.X')")

    assert all(setup.problem for setup in setups.values())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="nowhere"):
        read_setups([tmp_path / "nowhere"])
