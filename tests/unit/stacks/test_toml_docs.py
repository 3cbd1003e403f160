"""The reference of testbeam.toml names every key that there is, and its examples can be used."""

import re
from pathlib import Path

import pytest

from testbeam.kit.containers import engine
from testbeam.kit.containers.engine_commands import Container
from testbeam.kit.spec import Port
from testbeam.stacks.replacing import KINDS
from testbeam.stacks.roles import registry
from testbeam.stacks.toml.file import parse
from testbeam.stacks.toml.parts import FIELDS, OF_ANY_ROLE
from testbeam.stacks.toml.probe import PROBES

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "testbeam-toml.md"
TEXT = PAGE.read_text()
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def _no_container_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "has_image", lambda *_: False)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_declares_a_stack(example: str) -> None:
    assert parse(example, Path("/beamline/testbeam.toml")).stack.services


def test_every_key_is_described() -> None:
    containers, ports = Container.__dataclass_fields__, Port.__dataclass_fields__
    keys = {*FIELDS, *OF_ANY_ROLE, *KINDS, *PROBES, *registry.names(), "container", "prefix", "topics", *containers}

    assert [key for key in sorted(keys) if f"`{key}`" not in TEXT and f"{key} = " not in TEXT] == []
    assert "{" + ", ".join(ports) + "}" in TEXT


def test_every_key_of_every_probe_is_described() -> None:
    for name, probe in PROBES.items():
        (row,) = re.findall(rf"^\| `{name}` \|.*$", TEXT.partition("## Probes")[2], re.MULTILINE)
        assert [key for key in probe().__dataclass_fields__ if f"`{key}`" not in row] == []  # type: ignore[attr-defined]
