from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.commands import Commands
from tests.integration.temporary import temporary_folders_of_its_own  # noqa: F401 - a fixture


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    """Commands in an empty folder; what they have left up ends with the test."""
    runtime, folder = tmp_path / "xdg", tmp_path / "here"
    runtime.mkdir(mode=0o700)
    folder.mkdir()
    commands = Commands(folder, runtime)
    yield commands
    commands.run("down", "--all")
