"""What every test of the kit has: temporary folders below pytest's own, and runners that are ended whatever the test finds."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.kit.runners import Runner, start


@pytest.fixture(autouse=True)
def _temporary_folders_below_pytests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))


@pytest.fixture
def start_runner(tmp_path: Path) -> Iterator[Callable[[str], Runner]]:
    """Return what starts a runner program of a kind, in this test's folder."""
    runners: list[Runner] = []

    def start_one(kind: str) -> Runner:
        runners.append(start(tmp_path, kind))
        return runners[-1]

    yield start_one
    for runner in runners:
        runner.close()
