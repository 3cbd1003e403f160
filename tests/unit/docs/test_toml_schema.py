"""The JSON schema of a testbeam.toml is what the code reads."""

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from testbeam.stacks.roles import registry
from testbeam.stacks.toml import parts
from testbeam.stacks.toml.probe import PROBES

ROOT = Path(__file__).parents[3]


@pytest.fixture
def toml_schema(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    monkeypatch.delitem(sys.modules, "toml_schema", raising=False)
    import toml_schema  # type: ignore[import-not-found]

    return toml_schema


def test_the_file_is_as_the_code_is(toml_schema: Any) -> None:
    assert toml_schema.FILE.read_text(encoding="utf-8") == toml_schema.text(), "write it anew: python docs/toml_schema.py"


def test_it_has_every_field_role_and_probe(toml_schema: Any) -> None:
    definitions = toml_schema.schema()["$defs"]

    assert set(parts.FIELDS) < set(definitions["plain"]["properties"])
    assert {f"role_{name}" for name in registry.names()} < set(definitions)
    probes = [one["properties"]["probe"]["const"] for one in definitions["probe"]["anyOf"] if "properties" in one]
    assert probes == list(PROBES)


@pytest.mark.parametrize("file", sorted((ROOT / "examples").rglob("testbeam.toml")), ids=lambda file: file.parent.name)
def test_every_key_of_an_example_is_in_it(file: Path, toml_schema: Any) -> None:
    definitions = json.loads(toml_schema.text())["$defs"]
    services = tomllib.loads(file.read_text())["services"]

    known = {name: definitions[f"role_{one['role']}" if "role" in one else "plain"]["properties"] for name, one in services.items()}
    assert [(name, key) for name, one in services.items() for key in one if key not in known[name]] == []


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        (str | None, {"type": "string"}),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (dict[str, float], {"type": "object", "additionalProperties": {"type": "number"}}),
        (Path | str, {"type": "string"}),
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (object, {}),
    ],
)
def test_annotations_as_schemas(toml_schema: Any, hint: Any, said: dict[str, Any]) -> None:
    assert toml_schema.of(hint) == said
