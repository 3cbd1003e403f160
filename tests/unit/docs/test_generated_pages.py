"""Pages that are made from the code hold every name of it."""

import sys
from pathlib import Path
from typing import Any

import pytest

from testbeam import errors
from testbeam.kit.faults import registry as faults
from testbeam.stacks.roles import registry as roles
from testbeam.stacks.toml.probe import PROBES

ROOT = Path(__file__).parents[3]


@pytest.fixture
def generated(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    monkeypatch.delitem(sys.modules, "generated", raising=False)
    import generated  # type: ignore[import-not-found]

    return generated


def test_every_error_is_on_its_page_with_what_it_says(generated: Any) -> None:
    known = [name for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, errors.TestbeamError)]
    page = generated.error_tree()

    assert [name for name in known if f"| `{name}` | " not in page or f"| `{name}` |  |" in page] == []


def test_every_role_fault_and_probe_is_on_its_page(generated: Any) -> None:
    roles_page, faults_page, probes_page = generated.role_table(), generated.fault_table(), generated.probe_table()

    assert [name for name in roles.names() if f"## `{name}`" not in roles_page] == []
    assert [name for name in faults.NAMES if f"| `{name}` |" not in faults_page] == []
    assert [name for name in PROBES if f"| `{name}` |" not in probes_page] == []
    assert "`latency_ms`" in faults_page
    assert str(ROOT) not in roles_page


def test_fixtures_markers_and_options_of_pytest_are_on_their_page(generated: Any) -> None:
    page = generated.fixtures()

    assert [
        one
        for one in (
            "`run`",
            "`topic`",
            "`pv`",
            "`dashboard_backend`",
            "`@pytest.mark.testbeam_exclusive`",
            "`--testbeam-attach`",
            "`--testbeam-stack NAME`",
        )
        if one not in page
    ] == []


@pytest.mark.parametrize(("command", "option"), [("ps", "--json"), ("run", "--local-build")])
def test_a_command_says_its_options(generated: Any, command: str, option: str) -> None:
    page = generated._command(command, "What it does.")

    assert page.startswith(f"\n## testbeam {command}\n\nWhat it does.\n")
    assert f"Usage: testbeam {command}" in page
    assert option in page


def test_every_decision_is_listed(generated: Any) -> None:
    page = generated.decisions()

    assert [file.name for file in (ROOT / "docs/decisions").glob("[0-9]*.md") if f"({file.name})" not in page] == []
