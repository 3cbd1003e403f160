"""Control as a role: from a file, with topics of the stack's prefix, and with genuine NICOS in its place."""

from pathlib import Path

import pytest

from testbeam.errors import StackError
from testbeam.stacks.control import control_stack
from testbeam.stacks.replacing import replaced
from testbeam.stacks.roles.control.declaration import control, control_parts
from testbeam.stacks.toml.file import load

ROOT = Path(__file__).parents[3]


def test_the_example_declares_a_beamline_to_drive() -> None:
    stack = load(ROOT / "examples" / "control" / "testbeam.toml").stack

    parts = {one.name: one for one in stack.services if one.role == "control"}
    assert set(parts) == {"cache", "poller", "collector", "daemon"}
    assert parts["daemon"].env["TESTBEAM_CONTROL_POOL_TOPIC"] == "demo_filewriter_pool"
    assert "demo_nicos_devices" in parts["collector"].options["topics"]
    assert {"broker", "cache", "pva_server"} <= set(parts["daemon"].needs)


def test_a_part_that_is_none_is_named() -> None:
    with pytest.raises(StackError, match=r"no part 'demon'.*daemon"):
        control(part="demon")  # type: ignore[arg-type]


def test_the_parts_start_in_the_order_of_their_needs() -> None:
    needs = {one.name: one.needs for one in control_parts(iocs=("ioc",))}

    assert needs["cache"] == ()
    assert all("cache" in needs[part] for part in ("poller", "collector", "daemon"))
    assert "ioc" in needs["poller"]


def test_what_a_user_says_of_setups_reaches_poller_and_daemon() -> None:
    parts = {one.name: one for one in control_parts(setups=["a", "b"], load=["x"], passwords="users")}

    for part in ("poller", "daemon", "collector"):
        words = parts[part].command
        assert [words[index + 1] for index, word in enumerate(words) if word == "--setups"] == ["a", "b"]
    words = parts["daemon"].command
    assert (words[words.index("--load") + 1], words[words.index("--passwords") + 1]) == ("x", "users")
    assert "--load" not in parts["poller"].command


def genuine(folder: Path) -> Path:
    for part in ("cache", "poller", "collector", "daemon"):
        program = folder / "nicos" / "bin" / f"nicos-{part}"
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/usr/bin/env python3\n")
        program.chmod(0o755)
    return folder / "nicos"


def test_a_checkout_of_nicos_takes_the_place_of_all_four(tmp_path: Path) -> None:
    checkout = genuine(tmp_path)
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("")
    stack = replaced(control_stack(), "control", local_build=checkout)

    parts = {one.name: one for one in stack.services if one.role == "control"}
    assert all(str(checkout / "bin" / f"nicos-{name}") in one.command for name, one in parts.items())
    assert all(str(python) in one.command for one in parts.values())
    assert all(one.env["INSTRUMENT"] == "testbeam_instrument.demo" for one in parts.values())


def test_a_checkout_without_an_environment_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="-m venv"):
        replaced(control_stack(), "control", local_build=genuine(tmp_path))


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="bin/nicos-"):
        replaced(control_stack(), "control", local_build=tmp_path)
