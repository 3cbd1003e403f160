"""What every test of the kit has: temporary folders below pytest's own, and runners that are ended whatever the test finds."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.kit.runners import Runner, start
from tests.integration.temporary import temporary_folders_of_its_own  # noqa: F401 - a fixture


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
