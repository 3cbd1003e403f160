"""The pages of checks name every key, word and fault that there is, and their examples can be used."""

import dataclasses
import re
from pathlib import Path

import pytest

from testbeam.driver.machine import Machine
from testbeam.driver.native import Pv, Simulator
from testbeam.driver.spec import CheckSpec, MachineSpec, UnitSpec, load
from testbeam.simulators.devices.catalog import DEVICES
from testbeam.simulators.devices.faults import Faults

DOCS = Path(__file__).parents[3] / "docs"
KEYS = (DOCS / "reference/checks.md").read_text()
WORDS = (DOCS / "reference/test-driver.md").read_text()
EXAMPLES = [
    example
    for page in ("reference/checks.md", "how-to/move-from-nixos-tests.md")
    for example in re.findall(r"^```toml\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
]
NOT_WRITTEN = {"name", "script"}


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_declares_a_check(example: str, tmp_path: Path) -> None:
    (tmp_path / "simple.py").touch()
    (tmp_path / "simple.toml").write_text(example)

    assert [unit.name for unit in load(tmp_path / "simple.py").machines[0].units] == ["simulator", "ioc"]


@pytest.mark.parametrize("kind", [CheckSpec, MachineSpec, UnitSpec])
def test_every_key_is_described(kind: type) -> None:
    keys = {field.name for field in dataclasses.fields(kind)} - NOT_WRITTEN

    assert sorted(key for key in keys if f"`{key}`" not in KEYS) == []


def test_every_simulator_and_fault_is_named() -> None:
    assert [name for name in DEVICES if f"`{name}`" not in KEYS] == []
    assert [field.name for field in dataclasses.fields(Faults) if f"`{field.name}`" not in WORDS] == []


def words_of(page: str, prefix: str) -> set[str]:
    return set(re.findall(rf"(?<=`){re.escape(prefix)}(\w+)\(", page))


def test_every_word_of_the_page_is_there() -> None:
    ours = words_of(WORDS, "machine.") - {"pv", "simulator", "iocsh", "wire_log"}
    table = WORDS.partition("## Of a machine")[2].partition("## Tools")[0]

    assert [word for word in words_of(table, "") if not hasattr(Machine, word)] == []
    assert [word for word in ours if not hasattr(Machine, word)] == []
    assert [word for word in words_of(WORDS, ".") if not (hasattr(Pv, word) or hasattr(Simulator, word))] == []


def test_every_native_word_is_on_the_page() -> None:
    known = words_of(WORDS, ".")

    assert (
        sorted(word for kind in (Pv, Simulator) for word in vars(kind) if word[0] != "_" and word not in known | {"forget", "value"}) == []
    )
